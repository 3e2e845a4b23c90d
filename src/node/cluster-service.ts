/** What the API says and does about the cluster, gathered from membership, peers, messaging and threads. */
import type {
  AuthCheckRow,
  ClusterService,
  ClusterStatus,
  LeaderView,
  PerformanceRow,
  PingResult,
} from "../api/services.ts";
import type { PartitionService } from "../api/partition-service.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { type NodeId, parseNodeId } from "../base/ids.ts";
import type { Consensus } from "../cluster/consensus/consensus.ts";
import type { Member, Membership } from "../cluster/membership.ts";
import type { NodeLease } from "../cluster/leases/node-lease.ts";
import type { Peers } from "../cluster/peers/peers.ts";
import type { ReplicaQueries } from "../cluster/consensus/replica-queries.ts";
import type { StateComparer, StateComparison } from "../cluster/consensus/state-comparison.ts";
import { type VerifyRow, verifyReplicas } from "../cluster/consensus/state-verification.ts";
import type { AssignmentTable } from "../agents/assignment-table.ts";
import { isAnnounced, shownStatusOf } from "../agents/shown-status.ts";
import type { VoteHandover } from "../cluster/consensus/vote-handover.ts";
import type { StopAnswer } from "../ownership/safe-to-stop.ts";
import type { Clock } from "../ports/clock.ts";
import type { AssignmentCause } from "../wire/control-assignments.ts";
import { decodeUtf8, encodeUtf8 } from "../wire/cursor.ts";
import type { Balancing } from "./ownership/balancing.ts";
import type { UnheardNodes } from "./ownership/unheard-nodes.ts";
import type { OperatorModes } from "./operator/operator-modes.ts";
import { refusedText } from "./events/lease-events.ts";
import { comparedRow, matching, refusedRow } from "./auth-check.ts";
import { Departures, type Leaving, unknownNode } from "./operator/departures.ts";
import type { Removals } from "./operator/removals.ts";
import { type AuthFingerprints, compareFingerprints } from "./identity/fingerprints.ts";

const ping_ms = 2_000;
/** A node that started before is part of consensus, if it is part of the cluster at all; boot epochs are wall times. */
const letIn_ms = 15_000;
/** Names in the line of the status. */
const apartShown_max = 5;
/** Of a transfer of leadership, which takes a round trip when all is well. */
const transfer_ms = 10_000;
/** What the way to the leader may take on top. */
const forward_ms = 1_000;

/** An agent that is assigned so comes from another node. */
const movedCauses: ReadonlySet<AssignmentCause> = new Set(["migrated", "drained", "rebalanced"]);

/** Figures measured on this node, for `cluster performance`; undefined where nothing was measured yet. */
export interface MeasuredPerformance {
  readonly routing_p50_ms: number | undefined;
  readonly routing_p99_ms: number | undefined;
  readonly remote_p50_ms: number | undefined;
  readonly remote_p99_ms: number | undefined;
  readonly startup_p50_ms: number | undefined;
  readonly startup_p99_ms: number | undefined;
  readonly convergence_ms: number | undefined;
  readonly gossipRoundTrip_p50_ms: number | undefined;
}

export interface ClusterServiceOptions {
  readonly self: NodeId;
  readonly cluster: string;
  readonly uuid: () => string | null;
  /** Why this node is in no cluster yet; null when it is in one. */
  readonly waitsFor: () => string | null;
  /** Why it is in another cluster than it was to be, to follow "it"; else null. */
  readonly alone: () => string | null;
  readonly startedAt_ms: number;
  readonly clock: Clock;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly consensus: Consensus;
  readonly replicas: ReplicaQueries;
  readonly comparer: StateComparer;
  /** Null on any other node than the leader. */
  readonly safeToStop: (node: NodeId) => StopAnswer | null;
  readonly votes: Pick<VoteHandover, "mayGo" | "giveAway">;
  readonly removals: Pick<Removals, "decide">;
  readonly fingerprints: () => AuthFingerprints;
  /** The sources turned away lately, with the reason. */
  readonly refused: () => ReadonlyMap<string, string>;
  readonly partition: Pick<PartitionService, "minority" | "action">;
  /** Writes that wait for a quorum. */
  readonly queuedWrites: () => number;
  readonly measured: () => Promise<MeasuredPerformance>;
  readonly messagePing: (node: NodeId, timeout_ms: number) => Promise<void>;
  readonly balancing: Pick<Balancing, "strategy" | "set">;
  readonly roundRobinIndex: () => number;
  /** Leaves and ends this node's process. */
  readonly shutdown: (drain_timeout_ms: number, handOver: boolean) => void;
  readonly table: AssignmentTable;
  readonly lease: Pick<NodeLease, "stats">;
  readonly modes: Pick<OperatorModes, "isolated" | "shedPercentage">;
  readonly unheard: Pick<UnheardNodes, "has" | "list">;
}

export class NodeCluster implements ClusterService {
  readonly #options: ClusterServiceOptions;
  readonly #departures: Departures;

  constructor(options: ClusterServiceOptions) {
    this.#options = options;
    const { peers, fingerprints } = options;
    peers.handle("cluster.ping", (body) => Promise.resolve(body));
    peers.handle("cluster.fingerprints", () => Promise.resolve(encodeUtf8(JSON.stringify(fingerprints()))));
    peers.handle("cluster.transfer-leader", async (body) => {
      const to = body.length === 0 ? null : parseNodeId(decodeUtf8(body));
      return encodeUtf8(await options.consensus.transferLeadership(to, { timeout_ms: transfer_ms }));
    });
    this.#departures = new Departures(options);
  }

  members(): readonly Member[] {
    return this.#options.membership.members();
  }

  startedAt_ms(): number {
    return this.#options.startedAt_ms;
  }

  status(): Promise<ClusterStatus> {
    const { self, cluster, uuid, queuedWrites, consensus, lease, modes } = this.#options;
    const { refused } = lease.stats;
    const expected = this.members().filter(({ status }) => status !== "left");
    const active = expected.filter(({ status }) => status === "alive" || status === "suspect").length;
    const waitsFor = this.#options.waitsFor();
    const alone = this.#options.alone();
    const lonely = alone === null ? null : `ALONE (it ${alone})`;
    const outside = waitsFor === null ? lonely : `WAITING (in no cluster yet: it ${waitsFor})`;
    const { leader, term, members, quorum } = consensus.status();
    const own = members.find(({ node }) => node === self);
    const { minority, action } = this.#options.partition;
    // Until it is known whether this is a partition, writes wait; they are queued from then on, and it is said then.
    const undecided = quorum ? null : "UNDECIDED (no leader with a quorum is heard: writes wait)";
    const apart = this.#takingNoPart();
    const unheard = this.#options.unheard.list();
    const part = apart.length === 0 ? null : `DEGRADED (${apart.join(", ")} takes no part in consensus)`;
    const silent = unheard.slice(0, apartShown_max).map(({ node }) => node);
    const deaf = silent.length === 0 ? null : `DEGRADED (the leader does not hear ${silent.join(", ")})`;
    const side = minority
      ? "DEGRADED (minority partition)"
      : (undecided ?? deaf ?? part ?? "HEALTHY (majority partition)");
    const degraded = action === "local-only" ? "LOCAL-ONLY" : "READ-ONLY";
    const operations = minority ? degraded : quorum ? "READ-WRITE" : "WRITES-WAIT";
    return Promise.resolve({
      cluster,
      uuid: uuid(),
      node: self,
      status: outside ?? side,
      operations: waitsFor === null ? operations : "READ-ONLY",
      nodes_active: active,
      nodes_total: expected.length,
      queued_writes: queuedWrites(),
      leader,
      term,
      voters: members.filter(({ role }) => role !== "learner").map(({ node }) => node),
      lease: own?.role === "witness" ? null : { ...lease.stats, why: refused && refusedText(refused) },
      unheard,
      isolated: [...modes.isolated],
      shed_percentage: modes.shedPercentage,
    });
  }

  /** Members that are well, for long enough to have been let in, and have neither vote nor log; a witness may wait. */
  #takingNoPart(): readonly NodeId[] {
    const { membership, consensus, clock } = this.#options;
    const parts = new Set(consensus.status().members.map(({ node }) => node));
    const before_ms = clock.wall_ms() - letIn_ms;
    const apart = membership
      .members()
      .filter(({ id, status, bootEpoch, tags: { raft } }) => {
        return status === "alive" && !parts.has(id) && bootEpoch < before_ms && raft?.role !== "witness";
      })
      .map(({ id }) => id);
    return apart.slice(0, apartShown_max);
  }

  leader(): LeaderView {
    const { consensus, safeToStop } = this.#options;
    const { self, leader, term, role, quorum, commit, applied, joint, trouble, ...status } =
      consensus.status();
    const members = status.members.map((member) => {
      const runs = isPresent(this.#options.membership.member(member.node));
      return { ...member, stoppable: runs ? safeToStop(member.node) : null };
    });
    return { self, leader, term, role, quorum, commit, applied, members, joint, trouble };
  }

  async transferLeadership(to: NodeId | null): Promise<NodeId> {
    const { self, consensus, peers } = this.#options;
    const { leader } = consensus.status();
    if (leader === null) throw new CaxtonError("no_quorum", "The cluster has no leader that could hand over");
    if (to === leader) return leader;
    if (to !== null && this.#options.membership.member(to) === undefined) throw unknownNode(to);
    if (leader === self) return await consensus.transferLeadership(to, { timeout_ms: transfer_ms });
    const answer = await peers.request(leader, "cluster.transfer-leader", encodeUtf8(to ?? ""), {
      timeout_ms: transfer_ms + forward_ms,
    });
    return parseNodeId(decodeUtf8(answer));
  }

  async compareState(): Promise<StateComparison> {
    if (!this.#options.consensus.status().quorum) {
      throw new CaxtonError(
        "no_quorum",
        "The replicas cannot be compared at one moment: that needs a majority, which is out of reach here. " +
          "See: caxton cluster detect-partition",
      );
    }
    return await this.#options.comparer.compare(this.#replicaHolders());
  }

  async verify(node: NodeId | null, deep: boolean): Promise<readonly VerifyRow[]> {
    const holders = this.#replicaHolders();
    if (node !== null && !holders.includes(node)) {
      throw new CaxtonError("node_not_found", `Node "${node}" holds no replica of the control state`);
    }
    return await verifyReplicas(this.#options.replicas, node === null ? holders : [node], deep);
  }

  /** A witness keeps no state; who gave its vote away and left is no part of the cluster, though listed for a while. */
  #replicaHolders(): readonly NodeId[] {
    const { consensus, membership } = this.#options;
    return consensus
      .status()
      .members.filter(({ node, role }) => {
        return role === "voter" || (role === "learner" && membership.member(node)?.status !== "left");
      })
      .map(({ node }) => node);
  }

  assignments(): ReturnType<ClusterService["assignments"]> {
    const { membership, table, unheard, lease } = this.#options;
    const { held } = lease.stats;
    const shown = { membership, mayAct: () => held, isUnheard: (node: NodeId) => unheard.has(node) };
    return [...table.all()].map((owned) => {
      const { agent, node, epoch, revision, at_ms, cause } = owned;
      const status = shownStatusOf(owned, shown);
      const comes = status === "starting" && movedCauses.has(cause) && !isAnnounced(owned, shown);
      return { agent, node, epoch, revision, status: comes ? "migrating" : status, assignedAt_ms: at_ms };
    });
  }

  agentCounts(): ReadonlyMap<NodeId, number> {
    return this.#options.table.counts();
  }

  async ping(node: NodeId): Promise<PingResult> {
    const { membership, peers, messagePing, clock } = this.#options;
    if (membership.member(node) === undefined) throw unknownNode(node);
    const errors: string[] = [];
    const timed = async (what: string, work: () => Promise<unknown>): Promise<number | null> => {
      const start_ms = clock.now_ms();
      try {
        await work();
        return clock.now_ms() - start_ms;
      } catch (error) {
        errors.push(`${what}: ${reasonOf(error)}`);
        return null;
      }
    };
    const self = node === this.#options.self;
    const estimate_ms = membership.estimate_ms(node) ?? null;
    const udp_ms = await timed("udp", () => (self ? Promise.resolve() : membership.ping(node, ping_ms)));
    const stream_ms = await timed("stream", () =>
      self
        ? Promise.resolve()
        : peers.request(node, "cluster.ping", new Uint8Array(8), { timeout_ms: ping_ms }),
    );
    const message_ms = await timed("message", () => messagePing(node, ping_ms));
    const error = errors.length > 0 ? errors.join("; ") : null;
    return { node, udp_ms, estimate_ms, stream_ms, message_ms, error };
  }

  async leave(node: NodeId, leaving: Leaving): Promise<void> {
    await this.#departures.leave(node, leaving);
  }

  async remove(node: NodeId, force: boolean): Promise<void> {
    await this.#departures.remove(node, force);
  }

  async verifyAuth(): Promise<readonly AuthCheckRow[]> {
    const { self, fingerprints, refused } = this.#options;
    const own = { node: self, ...matching, detail: `this node seals with key ${fingerprints().gossip}` };
    const others = this.members().filter(({ id, status }) => id !== self && status !== "left");
    const rows = await Promise.all(others.map(({ id }) => this.#verifyNode(id, fingerprints())));
    const strangers = [...refused()].map(([source, reason]) => refusedRow(source, reason));
    return [own, ...rows, ...strangers];
  }

  async performance(): Promise<readonly PerformanceRow[]> {
    const m = await this.#options.measured();
    return [
      row("Message routing P50", 0.1, m.routing_p50_ms),
      row("Message routing P99", 1, m.routing_p99_ms),
      row("Remote routing P50", 5, m.remote_p50_ms),
      row("Remote routing P99", 50, m.remote_p99_ms),
      row("Agent startup P50", 10, m.startup_p50_ms),
      row("Agent startup P99", 100, m.startup_p99_ms),
      row("Gossip convergence", 5_000, m.convergence_ms),
      row("Gossip round trip P50", 5, m.gossipRoundTrip_p50_ms),
    ];
  }

  balancing(): { readonly strategy: string; readonly round_robin_index: number } {
    const { balancing, roundRobinIndex } = this.#options;
    return { strategy: balancing.strategy, round_robin_index: roundRobinIndex() };
  }

  async setBalancing(strategy: string): Promise<void> {
    await this.#options.balancing.set(strategy, "");
  }

  async #verifyNode(node: NodeId, own: AuthFingerprints): Promise<AuthCheckRow> {
    try {
      const answer = await this.#options.peers.request(node, "cluster.fingerprints", new Uint8Array(), {
        timeout_ms: ping_ms,
      });
      return comparedRow(node, compareFingerprints(own, answer));
    } catch (error) {
      const unknown = { gossip_key: "unknown", certificate: "unknown" } as const;
      return { node, ...unknown, problem: "unreachable", detail: reasonOf(error) };
    }
  }
}

function isPresent(member: Member | undefined): boolean {
  return member?.status === "alive" || member?.status === "suspect";
}

function row(metric: string, target_ms: number, actual_ms: number | undefined): PerformanceRow {
  return {
    metric,
    target_ms,
    actual_ms: actual_ms ?? null,
    ok: actual_ms === undefined ? null : actual_ms <= target_ms,
  };
}
