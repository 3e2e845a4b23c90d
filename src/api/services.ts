/**
 * What the HTTP API needs of a node, as interfaces of plain data. `node/` implements them on the
 * real cluster, messaging and agents; the API itself stays portable (Bun, Deno, Node, workerd).
 * Every method may throw a `CaxtonError`, which becomes a problem document.
 */
import type { AgentLogLine } from "../agents/agent-logs.ts";
import type { AgentView } from "../agents/agent-record.ts";
import type { Deployed, DeployRequest } from "../agents/deployment.ts";
import type { AgentName, MessageId, NodeId } from "../base/ids.ts";
import type { ConsensusMember, ConsensusRole } from "../cluster/consensus/consensus.ts";
import type { Member } from "../cluster/membership.ts";
import type { StateComparison } from "../cluster/consensus/state-comparison.ts";
import type { VerifyRow } from "../cluster/consensus/state-verification.ts";
import type { Consistency } from "../control/control-client.ts";
import type { KvStore } from "../control/kv-store.ts";
import type { LockService } from "../control/lock-service.ts";
import type { StopAnswer } from "../ownership/safe-to-stop.ts";
import type { Role } from "../security/roles.ts";
import type { Principal } from "../security/tokens.ts";
import type { ConversationSummary, DeadLetter, Page } from "../store/store.ts";
import type { BalancingService } from "./balancing-service.ts";
import type { NodeRegistry } from "./node-registry.ts";
import type { OperatorService } from "./operator-service.ts";
import type { PartitionService } from "./partition-service.ts";
import type { ShownStatus } from "../wire/agent-spec.ts";
import type { Message } from "../wire/message.ts";

export interface NodeServices {
  readonly node: NodeId;
  readonly version: string;
  readonly cluster: ClusterService;
  readonly agents: AgentService;
  readonly messages: MessageService;
  readonly deadLetters: DeadLetterService;
  readonly kv: Pick<KvStore, "get" | "list" | "put" | "delete">;
  readonly locks: Pick<LockService, "get" | "acquire" | "release">;
  readonly events: EventService;
  readonly health: HealthService;
  readonly security: SecurityService;
  readonly tokens: TokenService;
  readonly partition: PartitionService;
  readonly balancing: BalancingService;
  /** Nodes that are registered by HTTP. */
  readonly nodes: NodeRegistry;
  readonly operator: OperatorService;
}

export interface HealthService {
  /** Live: the process's own threads answer. Ready: joined, agents restored, not leaving, the disk takes writes. */
  live(): Promise<Health>;
  ready(): Promise<Health>;
}

export interface Health {
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
}

export const operations = ["READ-WRITE", "WRITES-WAIT", "READ-ONLY", "LOCAL-ONLY", "NONE"] as const;
export type Operations = (typeof operations)[number];

export interface ClusterStatus {
  readonly cluster: string;
  readonly uuid: string | null;
  readonly node: NodeId;
  /**
   * "HEALTHY (majority partition)" or "DEGRADED (minority partition)", by contact with a leader that has a quorum;
   * "UNDECIDED (…)" while none is heard and it may be an election;
   * "WAITING (in no cluster yet: …)" before; "ALONE (…)" when its seeds are of another cluster.
   */
  readonly status: string;
  /**
   * What becomes of what is asked for. "WRITES-WAIT" while it is undecided whether this is a minority, whose "READ-ONLY"
   * or "LOCAL-ONLY" queues them; "NONE" of a node that an operator has stopped.
   */
  readonly operations: Operations;
  readonly nodes_active: number;
  readonly nodes_total: number;
  readonly queued_writes: number;
  readonly leader: NodeId | null;
  readonly term: number;
  /** Voters of the configuration, witnesses among them. */
  readonly voters: readonly NodeId[];
  /**
   * Whether the node that answers may act for its agents; null where it has none to act for. `why` it has none, for a
   * sentence: what the leader said; null where nobody has answered.
   */
  readonly lease: {
    readonly held: boolean;
    readonly losses: number;
    readonly without_ms: number;
    readonly why: string | null;
  } | null;
  /** Nodes that are there and get no lease: the leader that is named does not hear them. `since_ms`: Unix. */
  readonly unheard: readonly { readonly node: NodeId; readonly by: NodeId; readonly since_ms: number }[];
  /** Nodes that operators keep from traffic. */
  readonly isolated: readonly NodeId[];
  /** Of clients' messages. */
  readonly shed_percentage: number;
}

/** Consensus as this node sees it. */
export interface LeaderView {
  readonly leader: NodeId | null;
  readonly term: number;
  readonly self: NodeId;
  readonly role: ConsensusRole;
  readonly quorum: boolean;
  readonly commit: number;
  readonly applied: number;
  /** `stoppable`: whether it could be taken down now and the others go on; only the leader can tell. */
  readonly members: readonly (ConsensusMember & { readonly stoppable: StopAnswer | null })[];
  /** A configuration change is under way. */
  readonly joint: boolean;
  readonly trouble: string | null;
}

export interface PerformanceRow {
  readonly metric: string;
  readonly target_ms: number;
  /** Null when nothing was measured yet: said so, never invented. */
  readonly actual_ms: number | null;
  readonly ok: boolean | null;
}

export interface PingResult {
  readonly node: NodeId;
  readonly udp_ms: number | null;
  /** What network coordinates told before it was measured; null while too little is known. */
  readonly estimate_ms: number | null;
  readonly stream_ms: number | null;
  readonly message_ms: number | null;
  readonly error: string | null;
}

/** What keeps a node out, or apart from the others. */
export const authProblems = [
  "wrong_key",
  "wrong_certificate",
  "other_cluster",
  "duplicate_id",
  "old_data",
  "wrong_clock",
  "version",
  "unreachable",
  "other",
] as const;
export type AuthProblem = (typeof authProblems)[number];

export interface AuthCheckRow {
  /** A member, or the source of one that was refused. */
  readonly node: string;
  readonly gossip_key: "match" | "mismatch" | "unknown";
  readonly certificate: "match" | "mismatch" | "unknown";
  /** Null where all is well. */
  readonly problem: AuthProblem | null;
  readonly detail: string;
}

/** Who has an agent, and what is to be told of it there. */
export interface AssignmentView {
  readonly agent: AgentName;
  readonly node: NodeId;
  readonly epoch: number;
  readonly revision: number;
  /** `migrating`: on its way to that node. */
  readonly status: ShownStatus | "migrating";
  /** Unix ms. */
  readonly assignedAt_ms: number;
}

export interface ClusterService {
  members(): readonly Member[];
  /** Wall time this node started, Unix ms; for other members null. */
  startedAt_ms(): number;
  status(): Promise<ClusterStatus>;
  assignments(): readonly AssignmentView[];
  /** How many agents are assigned to each node that has any. */
  agentCounts(): ReadonlyMap<NodeId, number>;
  ping(node: NodeId): Promise<PingResult>;
  /**
   * Leaves gracefully; when `node` is another one, that node is asked to. `handOver`: its agents go to others first;
   * else they are expected back with it. Refused (`conflict`) where that would cost the others their quorum, unless
   * `force`, and unless it only stops.
   */
  leave(
    node: NodeId,
    how: { readonly drain_timeout_ms: number; readonly handOver: boolean; readonly force: boolean },
  ): Promise<void>;
  /** Refused (`conflict`) for a node that is alive unless `force`, and (`no_quorum`) where nothing can be decided. */
  remove(node: NodeId, force: boolean): Promise<void>;
  verifyAuth(): Promise<readonly AuthCheckRow[]>;
  performance(): Promise<readonly PerformanceRow[]>;
  leader(): LeaderView;
  /** To the named voter, or the one that is furthest. Resolves with the new leader. */
  transferLeadership(to: NodeId | null): Promise<NodeId>;
  compareState(): Promise<StateComparison>;
  /** Of all nodes unless one is named. */
  verify(node: NodeId | null, deep: boolean): Promise<readonly VerifyRow[]>;
  balancing(): { readonly strategy: string; readonly round_robin_index: number };
  /** Of the whole cluster. */
  setBalancing(strategy: string): Promise<void>;
}

export interface GossipKeyAnswer {
  /** Ids of keys: 16 hexadecimal digits that tell nothing of the key. */
  readonly key: string;
  readonly previous: string;
  /** `down`: takes the new key when it is back. */
  readonly nodes: readonly { readonly node: NodeId; readonly status: "rotated" | "down" }[];
}

export interface SecurityService {
  /**
   * A new gossip key at all live nodes, by steps that leave no gap. Throws `conflict` while another rotation runs,
   * `unavailable` when a live node did not take a step: then the old key is still accepted everywhere.
   */
  rotateGossipKey(): Promise<GossipKeyAnswer>;
}

export interface IssuedToken {
  readonly token: string;
  /** Its `jti`. */
  readonly id: string;
  readonly subject: string;
  readonly role: Role;
  /** Unix. */
  readonly expiresAt_ms: number;
}

export interface TokenService {
  /** Throws `invalid_argument` for a token of the role admin that would outlive the one it is asked with. */
  issue(request: {
    readonly role: Role;
    /** Made up unless given. */
    readonly subject?: string;
    readonly lifetime_ms: number;
    /** Who asks for it. */
    readonly by: Principal;
  }): Promise<IssuedToken>;
}

export interface AgentService {
  deploy(request: DeployRequest): Promise<Deployed>;
  /** Of a name that several agents share; else none. */
  instances(name: AgentName): readonly AgentView[];
  list(): readonly AgentView[];
  /** 0 where there is no such agent. Linearizable: as of now, whichever node decided it; throws `no_quorum`. */
  revisionOf(name: string, consistency: Consistency): Promise<number>;
  show(name: AgentName): Promise<AgentView>;
  remove(name: AgentName): Promise<void>;
  suspend(name: AgentName): Promise<void>;
  resume(name: AgentName): Promise<void>;
  /** To that node, with all that it has. */
  migrate(name: AgentName, to: NodeId): Promise<AgentView>;
  /** Newest last, at most `limit`; held in memory, bounded a agent. */
  logs(name: AgentName, limit: number): Promise<readonly AgentLogLine[]>;
}

export interface SendRequest {
  readonly message: Message;
  /** Null: answer when accepted. Otherwise wait that long for a reply as well. */
  readonly wait_ms: number | null;
  /** With the principal it fixes the message id, so that a retry is the same message. */
  readonly idempotencyKey: string | null;
  readonly principal: string;
}

export interface SendResult {
  readonly messageId: MessageId;
  /** `delivered`: in the receiver's inbox. `queued`: durable here, on its way. */
  readonly status: "delivered" | "queued";
  /** How long a queued one is tried before it becomes a dead letter. */
  readonly retry_ms: number;
  readonly reply: Message | null;
}

export interface MessageService {
  /** Throws `timeout` when the reply did not come in time (the message itself stays delivered). */
  send(request: SendRequest): Promise<SendResult>;
  list(options: {
    conversation: string | null;
    limit: number;
    cursor: string | null;
  }): Promise<Page<Message>>;
  conversations(options: { limit: number; cursor: string | null }): Promise<Page<ConversationSummary>>;
}

/** A node that could not be asked, so that nothing of it is in the answer. */
export interface NotAsked {
  readonly node: NodeId;
  readonly reason: string;
}

export type ListedDeadLetter = DeadLetter & { readonly node: NodeId };

export interface ListedDeadLetters {
  readonly items: readonly ListedDeadLetter[];
  readonly next: string | null;
  readonly notAsked: readonly NotAsked[];
}

/** `noAnswer`: nodes that were asked, may have done it, and did not say so. */
export interface ChangedDeadLetters {
  readonly count: number;
  readonly notAsked: readonly NotAsked[];
  readonly noAnswer: readonly NotAsked[];
}

/** Ids are each node's own: of `node`, or of the one that is asked. "all" is of every node unless one is named. */
export interface SelectedDeadLetters {
  readonly ids: readonly number[] | "all";
  readonly node: NodeId | null;
}

export interface DeadLetterService {
  /** Of every node unless one is named. */
  list(options: { node: NodeId | null; limit: number; cursor: string | null }): Promise<ListedDeadLetters>;
  /** Sends them again; tells how many. */
  replay(selected: SelectedDeadLetters): Promise<ChangedDeadLetters>;
  purge(selected: SelectedDeadLetters): Promise<ChangedDeadLetters>;
}

/** Dotted types: `member.failed`, `agent.trap`, `agent.deployed`, `message.dead_letter`, `cluster.refused`, … */
export interface ClusterEvent {
  /** Rises by one on this node; `Last-Event-ID`. */
  readonly id: number;
  /** Another node's own event, asked of it; its id is the place in this node's. */
  readonly node?: string;
  readonly type: string;
  readonly level: "info" | "warn";
  readonly at_ms: number;
  /** One line for people: `Node node-2 detected as failed`. */
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventService {
  /** Recent events after `id` (bounded ring), then live ones until `signal` aborts. A slow reader is ended, never buffered without bound. */
  follow(after: number | null, signal: AbortSignal): AsyncIterable<ClusterEvent>;
  /** And from now on what only other nodes know: dead letters, traps. Who cannot be asked is an event, too. */
  followAll(after: number | null, signal: AbortSignal): AsyncIterable<ClusterEvent>;
}
