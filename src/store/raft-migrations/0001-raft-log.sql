-- The Raft log of one participant. Every row carries a checksum over what it says, its index included, so
-- that a flipped bit, a swapped row or a missing tail is found and never voted with.

-- Whose log this is: a node, and the boot epoch in which the log began. `boot` is the latest that opened it.
CREATE TABLE raft_identity (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  node TEXT NOT NULL,
  identity INTEGER NOT NULL,
  boot INTEGER NOT NULL
) STRICT;

-- Hard state, and where the log ends: a log that ends earlier has lost its tail.
CREATE TABLE raft_state (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  term INTEGER NOT NULL,
  vote TEXT NOT NULL,
  commit_index INTEGER NOT NULL,
  last INTEGER NOT NULL,
  checksum INTEGER NOT NULL
) STRICT;

-- The last compacted entry and the configuration that counts there; entries up to it may still be in the table.
CREATE TABLE raft_base (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  position INTEGER NOT NULL,
  term INTEGER NOT NULL,
  configuration BLOB NOT NULL,
  checksum INTEGER NOT NULL
) STRICT;

CREATE TABLE raft_log (
  position INTEGER PRIMARY KEY,
  term INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;

-- A snapshot that is being put in place: if the state machine has it, the log becomes an empty one at it.
CREATE TABLE raft_install (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  position INTEGER NOT NULL,
  term INTEGER NOT NULL,
  configuration BLOB NOT NULL,
  checksum INTEGER NOT NULL
) STRICT;

-- The highest boot epoch heard of each participant: an older one that comes back is a restored disk.
CREATE TABLE raft_seen (
  participant TEXT PRIMARY KEY,
  boot INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
