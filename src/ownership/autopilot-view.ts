/** What the autopilot looks at: nodes as gossip knows them, members as consensus has them. Plain values. */
import type { NodeId } from "../base/ids.ts";
import type { RaftRole } from "../wire/gossip-tags.ts";

/** `gone`: it left in order. A node that an operator removed, or that was forgotten, is not listed at all. */
export type NodePresence = "alive" | "failed" | "gone";

export interface PilotNode {
  readonly node: NodeId;
  readonly presence: NodePresence;
  /** The most that it may be. */
  readonly role: RaftRole;
  /** Of the log that it runs with now. */
  readonly identity: number;
  readonly region: string;
  readonly zone: string;
}

export interface PilotMember {
  readonly node: NodeId;
  readonly role: RaftRole;
  readonly identity: number;
  readonly caughtUp: boolean;
  /** The leader has a working stream to it. */
  readonly contact: boolean;
}

export interface PilotView {
  /** The leader. */
  readonly self: NodeId;
  readonly nodes: readonly PilotNode[];
  readonly members: readonly PilotMember[];
  /** A change is under way. */
  readonly changing: boolean;
  /** The most voters that the operator wants; null: by the number of nodes. */
  readonly voters_max: number | null;
}

export interface PilotChange {
  readonly node: NodeId;
  /** Null: it takes part no more. */
  readonly role: RaftRole | null;
  /** Of a member that is new, or comes with another log. */
  readonly identity?: number;
}

/** One step; the view after it decides the next. */
export type PilotStep =
  | { readonly kind: "change"; readonly changes: readonly PilotChange[]; readonly why: string }
  | { readonly kind: "transfer"; readonly to: NodeId; readonly why: string }
  | { readonly kind: "nothing"; readonly why: string };

export function votes(role: RaftRole): boolean {
  return role !== "learner";
}

export function majorityOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}
