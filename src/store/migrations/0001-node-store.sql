-- The node's durable state. The journal is the truth; the tables below it follow, up to
-- journal_position, and everything about an agent or a message is found in them after that.

CREATE TABLE journal (
  sequence INTEGER PRIMARY KEY,
  -- Records in this group commit, for the size of the backlog.
  count INTEGER NOT NULL,
  checksum INTEGER NOT NULL,
  records BLOB NOT NULL
) STRICT;

-- Applied: every row up to `sequence`, and the first `offset` bytes of the next.
CREATE TABLE journal_position (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  sequence INTEGER NOT NULL,
  offset INTEGER NOT NULL
) STRICT;
INSERT INTO journal_position VALUES (1, 0, 0);

-- Counts and bytes of bounded tables, kept in the transactions that change them.
CREATE TABLE tallies (
  name TEXT PRIMARY KEY,
  count INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE modules (
  hash TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  bytes BLOB NOT NULL
) STRICT;

CREATE TABLE agents (
  name TEXT PRIMARY KEY,
  spec TEXT NOT NULL,
  suspended INTEGER NOT NULL
) STRICT;

CREATE TABLE inbox (
  sequence INTEGER PRIMARY KEY,
  agent TEXT NOT NULL,
  message_id BLOB NOT NULL,
  message BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX inbox_by_agent ON inbox (agent, message_id);

CREATE TABLE agent_state (
  agent TEXT NOT NULL,
  key BLOB NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (agent, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE timers (
  agent TEXT NOT NULL,
  id INTEGER NOT NULL,
  due_ms REAL NOT NULL,
  PRIMARY KEY (agent, id)
) STRICT, WITHOUT ROWID;

-- Ids of handled messages, 16 bytes each, in order, in rows of bounded length; `first` is the
-- number of the first one among all of its agent.
CREATE TABLE handled (
  agent TEXT NOT NULL,
  first INTEGER NOT NULL,
  ids BLOB NOT NULL,
  PRIMARY KEY (agent, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE saved_states (
  agent TEXT PRIMARY KEY,
  state BLOB NOT NULL
) STRICT;

CREATE TABLE outbox (
  sequence INTEGER PRIMARY KEY,
  message_id BLOB NOT NULL UNIQUE,
  message BLOB NOT NULL
) STRICT;

CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  reason TEXT NOT NULL,
  detail TEXT NOT NULL,
  at_ms REAL NOT NULL,
  message BLOB NOT NULL
) STRICT;

CREATE TABLE conversations (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  messages INTEGER NOT NULL,
  protocol TEXT NOT NULL,
  first_ms REAL NOT NULL,
  last_ms REAL NOT NULL
) STRICT;

CREATE TABLE conversation_participants (
  conversation INTEGER NOT NULL REFERENCES conversations (number) ON DELETE CASCADE,
  name TEXT NOT NULL,
  PRIMARY KEY (conversation, name)
) STRICT, WITHOUT ROWID;

-- `conversation` is null for a message that named none.
CREATE TABLE conversation_messages (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  conversation INTEGER REFERENCES conversations (number),
  message_id BLOB NOT NULL UNIQUE,
  message BLOB NOT NULL
) STRICT;
CREATE INDEX conversation_messages_by_conversation ON conversation_messages (conversation, sequence);
