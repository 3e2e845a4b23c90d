/** What a node does with consensus: the client of the control state, and what users see of it. */
import type { Consensus } from "../cluster/consensus.ts";
import type { Peers } from "../cluster/peers.ts";
import { ReplicaQueries } from "../cluster/replica-queries.ts";
import { StateComparer } from "../cluster/state-comparison.ts";
import { ControlClient } from "../control/control-client.ts";
import { KvStore } from "../control/kv-store.ts";
import { LockService } from "../control/lock-service.ts";
import type { Clock } from "../ports/clock.ts";

/** How long a request waits for a leader, and tries again when one was lost. */
const command_ms = 10_000;

export interface Control {
  readonly client: ControlClient;
  readonly kv: KvStore;
  readonly locks: LockService;
  readonly replicas: ReplicaQueries;
  readonly comparer: StateComparer;
}

export function createControl(consensus: Consensus, peers: Peers, clock: Clock): Control {
  const client = new ControlClient(consensus, clock, command_ms);
  const replicas = new ReplicaQueries(consensus, peers);
  return {
    client,
    kv: new KvStore(client),
    locks: new LockService(client, clock),
    replicas,
    comparer: new StateComparer(client, replicas, clock),
  };
}
