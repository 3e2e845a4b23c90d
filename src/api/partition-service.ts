/**
 * What the API needs of a node's handling of partitions: on which side it is, the queue of writes that a minority
 * keeps, and drills. `node/partition/service.ts` implements it.
 */
import type { NodeId } from "../base/ids.ts";
import type { PartitionAction } from "../ownership/partition-policy.ts";
import type { PartitionSide } from "../ownership/partition-map.ts";
import type { PartitionState } from "../ownership/partition-state.ts";
import type { Principal } from "../security/tokens.ts";
import type { QueuedWriteState } from "../store/queued-writes-table.ts";
import type { Page } from "../store/store.ts";

/** A request that waits to be done. */
export interface WriteToQueue {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Those that say what is written: media type, conditions, Idempotency-Key. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly principal: Principal;
  readonly requestId: string;
  /** What it is about: `kv/settings`, `agent/pricer`. */
  readonly subject: string;
  /** The version of that which this node could see; 0 where there was nothing, null where it has none. */
  readonly observed: number | null;
}

export interface QueuedWriteView {
  readonly id: string;
  /** Which write of its node's queue it is. */
  readonly position: number;
  readonly node: NodeId;
  readonly state: QueuedWriteState;
  readonly method: string;
  readonly path: string;
  readonly principal: string;
  readonly idempotency_key: string | null;
  readonly observed: number | null;
  readonly size_bytes: number;
  /** Unix ms. */
  readonly at_ms: number;
  readonly settled_ms: number | null;
  /** Why it did not take effect, or what it replaced. */
  readonly detail: string;
}

export interface PartitionGroup {
  readonly nodes: readonly NodeId[];
  /** What is known of it from here: whether it hears a leader with a quorum, as it says, or could have one. */
  readonly side: PartitionSide;
}

export interface PartitionOverview {
  readonly node: NodeId;
  readonly state: PartitionState;
  readonly since_ms: number;
  /** More than one: partitioned. */
  readonly groups: readonly PartitionGroup[];
  /** Pairs of reachable nodes of which one says that it does not reach the other. */
  readonly blind: readonly { readonly from: NodeId; readonly to: NodeId }[];
  /** Nodes of which it is not known whom they reach. */
  readonly unasked: readonly NodeId[];
  /** The leader that this node hears. */
  readonly leader: NodeId | null;
  /** Nodes that get no lease, since the leader `by` does not hear them. */
  readonly unheard: readonly { readonly node: NodeId; readonly by: NodeId }[];
  readonly voters_reached: number;
  readonly voters: number;
  readonly needed: number;
  /** Null in a majority. */
  readonly action: PartitionAction | null;
  readonly queued: number;
}

export interface NodeReport {
  readonly node: NodeId;
  readonly state: PartitionState;
  readonly counts: Readonly<Record<QueuedWriteState, number>>;
  /** The latest, newest first; `more` are not shown. */
  readonly writes: readonly QueuedWriteView[];
  readonly more: boolean;
}

export interface PartitionReport {
  readonly nodes: readonly NodeReport[];
  /** Nodes that did not answer: what they keep is not in this report. */
  readonly missing: readonly { readonly node: NodeId; readonly reason: string }[];
}

export interface Rehearsal {
  readonly id: string;
  readonly isolated: readonly NodeId[];
  readonly duration_ms: number;
  readonly started_ms: number;
  readonly phase: "cut" | "healing" | "ended";
  /** Of what was queued since it began; null until it has ended. */
  readonly report: PartitionReport | null;
  /** What did not go as agreed. */
  readonly troubles: readonly string[];
}

export interface PartitionService {
  /** Cut off from the quorum. */
  readonly minority: boolean;
  /** What the policy says for this minority; null in a majority. */
  readonly action: PartitionAction | null;
  /** Whether a minority answers reads of the replicated state. */
  readonly servesReads: boolean;
  /** Writes may not go ahead at once: in a minority, and while earlier ones are replayed. */
  readonly holdsWrites: boolean;
  /** Resolves when it is known whether a loss of the quorum is a partition. */
  settled(): Promise<void>;
  /** Whether no earlier write waits any more, after `timeout_ms` at most. */
  drained(timeout_ms: number): Promise<boolean>;
  /** Durable when it resolves. Throws `no_quorum` when queueing is off, `unavailable` when the queue is full. */
  accept(write: WriteToQueue): Promise<QueuedWriteView>;

  overview(): Promise<PartitionOverview>;
  /** Of this node's queue. */
  writes(options: { readonly limit: number; readonly cursor: string | null }): Promise<Page<QueuedWriteView>>;
  /** Throws `not_found`. */
  write(id: string): Promise<QueuedWriteView>;
  /** Of every node that can be asked; of writes queued at `since_ms` (Unix) or later. */
  report(since_ms: number): Promise<PartitionReport>;
  /**
   * Tries the lost nodes again and replays what waits, now. `prefer` names a side by a node of it. With `drop` a
   * minority's writes that were not begun are refused instead. Tells what was done, in lines.
   */
  resolve(options: {
    readonly prefer: "majority" | NodeId;
    readonly drop: boolean;
  }): Promise<readonly string[]>;
  /** Cuts the nodes off for a while, all agreeing. Throws `conflict` where it would leave no quorum, unless `force`. */
  rehearse(options: {
    readonly isolate: readonly NodeId[];
    readonly duration_ms: number;
    readonly force: boolean;
  }): Promise<Rehearsal>;
  /** The latest that was commanded from this node. */
  rehearsal(): Rehearsal | null;
}
