/** Gives leases what they need of consensus: its links, its log, the state here, and read-index rounds. */
import type { ReplicatedState } from "../../control/replicated-state.ts";
import type { Clock } from "../../ports/clock.ts";
import { nodeOf } from "../../raft/configuration.ts";
import type { RaftInput } from "../../raft/effects.ts";
import type { Raft } from "../../raft/raft.ts";
import type { RaftLog } from "../../store/raft-log.ts";
import type { ConsensusTransport } from "./transport.ts";
import type { LeaseGround, LeaseHooks } from "../leases/driver.ts";

interface LeaseParts {
  readonly log: RaftLog;
  readonly state: ReplicatedState | null;
  readonly clock: Clock;
  readonly soon: (callback: () => void) => void;
  readonly transport: ConsensusTransport;
}

/** A witness, which keeps no state, has none. */
export function leaseOf(
  { log, state, clock, soon, transport }: LeaseParts,
  make: (ground: LeaseGround) => LeaseHooks,
  raft: Raft,
  input: (input: RaftInput) => void,
): LeaseHooks | undefined {
  if (state === null) return undefined;
  return make({
    self: nodeOf(log.boots.self),
    soon,
    send: (node, bytes) => transport.send(node, "raft", bytes),
    // Below zero, apart from the reads of users.
    ask: (attempt) => input({ kind: "read", id: -attempt }),
    last: () => raft.status(clock.now_ms()).last,
    applied: () => state.applied.index,
    query: (query) => state.query(query),
  });
}
