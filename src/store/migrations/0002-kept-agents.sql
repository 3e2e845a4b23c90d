-- Journals that ended here because another node owns their agent under a higher epoch. Their rows stay in the
-- agent's tables under `id`, which is no agent's name, so that nothing ever replays them.
CREATE TABLE kept_agents (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  spec TEXT NOT NULL,
  owner TEXT NOT NULL,
  owner_epoch INTEGER NOT NULL,
  at_ms REAL NOT NULL
) STRICT;
CREATE INDEX kept_agents_by_name ON kept_agents (name, epoch);

-- What another node handed over, until the assignment that names the hand-over arrives.
CREATE TABLE incoming_agents (
  name TEXT PRIMARY KEY,
  transfer INTEGER NOT NULL,
  at_ms REAL NOT NULL,
  journal BLOB NOT NULL
) STRICT;
