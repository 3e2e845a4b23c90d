/** Who may act for what a node owns, now: the node's own side, and the leader's. */
import type { NodeId } from "../base/ids.ts";

/** The leader's side, asked on main. */
export interface LeaseAuthority {
  /** Whether what is assigned to the node may be given to others now. Rejects `not_leader` when this node does not lead. */
  mayReassign(node: NodeId, boot: number): Promise<boolean>;
  /** The same, with the term of the permission, null when there is none. */
  permission(node: NodeId, boot: number): Promise<{ readonly term: number } | null>;
  /** A death certificate was heard, or the node registered in a newer life. */
  ended(node: NodeId, boot: number): void;
  /** No more grants: it drains. */
  bar(node: NodeId): void;
  admit(node: NodeId): void;
}
