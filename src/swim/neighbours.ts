/**
 * Whom a node keeps a stream to, so that the end of a process is felt at once: the next few on a ring of
 * hashed names. Hashed, since names often go by rack. Every node is so watched by as many as it watches.
 */
import type { NodeId } from "../base/ids.ts";

export const neighboursCount = 3;

interface Placed {
  readonly node: NodeId;
  /** How far it is along the ring. */
  readonly after: number;
}

export function neighboursOf(self: NodeId, present: Iterable<NodeId>, count = neighboursCount): NodeId[] {
  const here = placeOf(self);
  const nearest: Placed[] = [];
  for (const node of present) {
    if (node === self) continue;
    const one = { node, after: (placeOf(node) - here) >>> 0 };
    const last = nearest[count - 1];
    if (last && !isBefore(one, last)) continue;
    const at = nearest.findIndex((other) => isBefore(one, other));
    nearest.splice(at < 0 ? nearest.length : at, 0, one);
    nearest.length = Math.min(nearest.length, count);
  }
  return nearest.map(({ node }) => node);
}

function isBefore(a: Placed, b: Placed): boolean {
  return a.after < b.after || (a.after === b.after && a.node < b.node);
}

/** FNV-1a, finished by a multiplication that spreads names that differ in their last digit. */
function placeOf(node: NodeId): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < node.length; i++) hash = Math.imul(hash ^ node.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
