-- Writes that this node took while it was cut off from the quorum, in the order in which it took them, and what
-- became of each. `head` is JSON: what was asked, by whom, over what. The body goes when the outcome is known.

CREATE TABLE queued_writes (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  principal TEXT NOT NULL,
  idempotency_key TEXT,
  -- What it is about, so that a later write of this queue knows which version an earlier one left.
  subject TEXT NOT NULL,
  state TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  settled_ms INTEGER,
  -- The version of its subject after it was applied.
  version INTEGER,
  detail TEXT NOT NULL,
  head TEXT NOT NULL,
  size INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;

CREATE INDEX queued_writes_by_state ON queued_writes (state, position);
CREATE UNIQUE INDEX queued_writes_by_key ON queued_writes (principal, idempotency_key)
  WHERE idempotency_key IS NOT NULL AND state IN ('queued', 'replaying');
