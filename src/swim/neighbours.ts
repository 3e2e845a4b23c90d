/**
 * Whom a node keeps a stream to, so that the end of a process is felt at once: the next few on a ring of
 * hashed names. Hashed, since names often go by rack. Every node is so watched by as many as it watches.
 */
import type { NodeId } from "../base/ids.ts";

export const neighboursCount = 3;

export function neighboursOf(self: NodeId, present: readonly NodeId[], count = neighboursCount): NodeId[] {
  const here = placeOf(self);
  const others = present
    .filter((node) => node !== self)
    .map((node) => ({ node, after: (placeOf(node) - here) >>> 0 }));
  others.sort((a, b) => a.after - b.after || (a.node < b.node ? -1 : 1));
  return others.slice(0, count).map(({ node }) => node);
}

/** FNV-1a, finished by a multiplication that spreads names that differ in their last digit. */
function placeOf(node: NodeId): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < node.length; i++) hash = Math.imul(hash ^ node.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
