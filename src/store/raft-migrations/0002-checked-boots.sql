-- A checksum of whose log this is, and of each boot that was heard of: a flipped bit there would make it another
-- participant, or keep it from ever hearing one again. -1 in rows from before, until they are written anew.

ALTER TABLE raft_identity ADD COLUMN checksum INTEGER NOT NULL DEFAULT -1;
ALTER TABLE raft_seen ADD COLUMN checksum INTEGER NOT NULL DEFAULT -1;
