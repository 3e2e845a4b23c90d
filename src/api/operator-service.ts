/**
 * What the API needs of a node for operators' work on the whole cluster: letting nodes in, taking them out of traffic
 * and back, giving one its state anew, stopping and starting all, shedding load, and what was measured of all of it.
 * `node/operator/operator-service.ts` implements it.
 */
import type { HostPort } from "../base/host-port.ts";
import type { NodeId } from "../base/ids.ts";

/** What a node answered to an order for all. */
export interface NodeAnswer {
  readonly node: NodeId;
  readonly ok: boolean;
  /** Why not; empty when all is well. */
  readonly detail: string;
}

export interface Isolation {
  readonly node: NodeId;
  /** Agents that went to other nodes in this call. */
  readonly moved: number;
  /** Agents that are still there: it goes on trying. */
  readonly stayed: number;
  /** Why it was not asked to drain: it cannot be reached. Null when it was. */
  readonly notReached: string | null;
}

export interface Rebuilt {
  readonly node: NodeId;
  /** Up to this entry of the log it has everything again. */
  readonly index: number;
  readonly took_ms: number;
}

export interface Shedding {
  /** Of clients' messages below the priority critical. */
  readonly percentage: number;
  /** Refused for it by the node that answers, since its start. */
  readonly refused: number;
}

export interface Suggestion {
  readonly topic: string;
  /** What was measured, with its unit. */
  readonly measured: string;
  /** What it should be. */
  readonly expected: string;
  readonly suggestion: string;
}

export interface Analysis {
  readonly suggestions: readonly Suggestion[];
  /** Figures that were looked at; those of which nothing was measured yet. */
  readonly looked: number;
  readonly missing: readonly string[];
}

export interface NodeResources {
  readonly node: NodeId;
  readonly cpu_percent: number;
  /** Of the node's process. */
  readonly memory_bytes: number;
  readonly agents: number;
  /** Of the file system that the data directory is on; null where it was not told. */
  readonly disk: { readonly used_bytes: number; readonly total_bytes: number } | null;
  /** Between nodes, by this one, since its start; null where it was not told. */
  readonly network: { readonly sent_bytes: number; readonly received_bytes: number } | null;
  /** Why the last two are missing; else empty. */
  readonly detail: string;
}

export interface OperatorService {
  /** Nodes that an operator keeps from traffic and from owning agents. */
  readonly isolated: ReadonlySet<string>;
  readonly shedding: Shedding;
  /** Lets the node that waits at that address in. Throws `unreachable`, `wrong_key`, `conflict`, `timeout`. */
  addNode(address: HostPort): Promise<{ readonly node: NodeId; readonly address: string }>;
  /** Throws `node_not_found`, `conflict` when nobody else could host agents, `no_quorum`. */
  isolate(node: NodeId, drain_timeout_ms: number): Promise<Isolation>;
  /** Throws `node_not_found`, `conflict` when it is not isolated, `no_quorum`. */
  rejoin(node: NodeId): Promise<void>;
  /** Throws `conflict` where the cluster would lose its quorum, or nobody else has the state. */
  rebuild(node: NodeId): Promise<Rebuilt>;
  /** Every node closes its intake and its databases; this one soon after it has answered. */
  stopAll(): Promise<readonly NodeAnswer[]>;
  /** The same of starting again. */
  startAll(): Promise<readonly NodeAnswer[]>;
  /** 0 ends it. */
  shedLoad(percentage: number): Promise<Shedding>;
  analyze(): Promise<Analysis>;
  resources(): Promise<readonly NodeResources[]>;
}
