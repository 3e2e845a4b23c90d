/** What a node does with consensus: the client of the control state, what users see of it, and the autopilot. */
import type { NodeId } from "../base/ids.ts";
import { AutopilotDriver } from "../cluster/consensus/autopilot-driver.ts";
import type { Consensus } from "../cluster/consensus/consensus.ts";
import { ControlLevels } from "../cluster/consensus/control-levels.ts";
import { ControlRelay } from "../cluster/consensus/control-relay.ts";
import type { LeaseAuthority } from "../cluster/leases/node-lease.ts";
import type { Membership } from "../cluster/membership.ts";
import type { Peers } from "../cluster/peers/peers.ts";
import { ReplicaQueries } from "../cluster/consensus/replica-queries.ts";
import { StateComparer } from "../cluster/consensus/state-comparison.ts";
import { VoteHandover } from "../cluster/consensus/vote-handover.ts";
import type { Config } from "../config/keys.ts";
import { ControlClient, type Patience } from "../control/control-client.ts";
import { AssignmentStore } from "../control/assignment-store.ts";
import { AssignmentTable } from "../agents/assignment-table.ts";
import { KvStore } from "../control/kv-store.ts";
import { RegistrationStore } from "../control/registration-store.ts";
import { SettingStore } from "../control/setting-store.ts";
import { LockService } from "../control/lock-service.ts";
import { safeToStop, type StopAnswer } from "../ownership/safe-to-stop.ts";
import { Balancing } from "./ownership/balancing.ts";
import type { EventLog } from "./events/event-log.ts";
import { OperatorModes } from "./operator/operator-modes.ts";
import { Removals } from "./operator/removals.ts";
import { NodeRegistrations } from "./operator/registrations.ts";
import { GivingWay } from "./ownership/giving-way.ts";
import { UnheardNodes } from "./ownership/unheard-nodes.ts";
import type { Clock } from "../ports/clock.ts";

/** How long a request waits for a leader, and tries again when one was lost. */
const command_ms = 10_000;
/** The same while no quorum is known: time for an election, and no more. */
const withoutQuorum_ms = 3_000;

export interface ControlParts {
  readonly consensus: Consensus;
  readonly leases: Pick<LeaseAuthority, "ages">;
  readonly network: { readonly peers: Peers; readonly membership: Membership };
  readonly clock: Clock;
  readonly config: Config;
  readonly events: EventLog;
  /** Known to be in a minority: no leader is waited for as long as ever. */
  readonly cutOff: () => boolean;
  readonly failed: (what: string, reason: string) => void;
}

export interface Control {
  readonly assignments: AssignmentStore;
  readonly table: AssignmentTable;
  readonly balancing: Balancing;
  readonly settings: SettingStore;
  /** What operators have told the whole cluster. */
  readonly modes: OperatorModes;
  /** Nodes that are there, and get no lease since the leader does not hear them. */
  readonly unheard: UnheardNodes;
  readonly registrations: NodeRegistrations;
  /** Which lives of nodes operators have removed. */
  readonly removals: Removals;
  readonly kv: KvStore;
  readonly locks: LockService;
  readonly replicas: ReplicaQueries;
  readonly comparer: StateComparer;
  /** May the node be taken down now? Null on any other node than the leader. */
  safeToStop(node: NodeId): StopAnswer | null;
  /** What becomes of the votes of nodes that leave or are removed. */
  readonly votes: VoteHandover;
  /** Before consensus ends. */
  stop(): void;
}

export function startControl(parts: ControlParts): Control {
  const { consensus, network, clock, config, events, cutOff, failed } = parts;
  const { peers, membership } = network;
  const relay = new ControlRelay({ consensus, peers, membership });
  const client = new ControlClient(relay, clock, patienceOf(parts), cutOff);
  const assignments = new AssignmentStore(client);
  const table = new AssignmentTable(assignments, consensus, clock, failed);
  const balancing = new Balancing(client, consensus, failed);
  const settings = new SettingStore(client);
  const modes = new OperatorModes({ store: settings, consensus, clock, failed });
  const unheard = unheardBy(parts, settings);
  const removals = new Removals({ store: settings, consensus, membership, clock, failed });
  const registrations = new NodeRegistrations({
    self: membership.self,
    store: new RegistrationStore(client),
    consensus,
    membership,
    peers,
    clock,
    events,
    removeOfflineAfter_ms: config.failover.remove_offline_after,
    failed,
  });
  const replicas = new ReplicaQueries(consensus, peers);
  const voters_max = config.raft.voters;
  const levels = new ControlLevels({
    self: membership.self,
    peers,
    learned: () => autopilot.recordsChanged(),
  });
  const autopilot: AutopilotDriver = new AutopilotDriver({
    consensus,
    membership,
    client,
    clock,
    voters_max,
    levels,
    changed: (text) => events.record("info", "raft.members", `Members of consensus: ${text}`, {}),
  });
  const unsubscribe = membership.subscribe((event) => {
    if (event.kind === "joined" || event.kind === "alive" || event.kind === "updated")
      autopilot.recordsChanged();
  });
  return {
    assignments,
    table,
    balancing,
    settings,
    modes,
    unheard,
    registrations,
    removals,
    kv: new KvStore(client),
    locks: new LockService(client, clock),
    replicas,
    comparer: new StateComparer(client, replicas, clock),
    safeToStop: (node) => (consensus.status().role === "leader" ? safeToStop(node, autopilot.view) : null),
    votes: new VoteHandover({ consensus, peers, autopilot, clock }),
    stop: () => {
      unsubscribe();
      autopilot.stop();
      table.close();
      balancing.close();
      modes.close();
      unheard.close();
      registrations.close();
      removals.close();
    },
  };
}

function patienceOf({ consensus, cutOff }: ControlParts): Patience {
  return (what) => {
    if (consensus.status().quorum) return command_ms;
    // Until it is known whether this is a partition a command waits: then it ends with what is true of it.
    return what === "query" || cutOff() ? withoutQuorum_ms : command_ms;
  };
}

function unheardBy(parts: ControlParts, store: SettingStore): UnheardNodes {
  const { consensus, leases: authority, network, clock, config, events, failed } = parts;
  const { lease_ttl: ttl_ms, clock_drift: drift } = config.failover;
  const { membership } = network;
  const terms = { ttl_ms, drift };
  const givingWay = new GivingWay({
    membership,
    consensus,
    peers: network.peers,
    store,
    clock,
    events,
    failed,
  });
  const giveWay: GivingWay["instead"] = (unheard) => givingWay.instead(unheard);
  return new UnheardNodes({ membership, consensus, store, authority, terms, giveWay, clock, events, failed });
}
