/**
 * Who would lead better than a leader that does not hear some nodes: a voter that has a working way to all. Pure.
 */
import type { NodeId } from "../base/ids.ts";
import type { NodeSight } from "./partition-map.ts";

/**
 * The first, by name, of the voters that reaches every node that is held to live, the unheard among them; null where none
 * does. `sights`: what the other voters say of themselves; null of one that did not answer.
 */
export function betterLeader(
  unheard: readonly NodeId[],
  alive: readonly NodeId[],
  sights: ReadonlyMap<NodeId, NodeSight | null>,
): NodeId | null {
  for (const node of [...sights.keys()].toSorted()) {
    const sight = sights.get(node);
    if (!sight || sight.minority || unheard.includes(node)) continue;
    const reachesAll = [...unheard, ...alive].every((other) => !sight.unreached.includes(other));
    if (reachesAll) return node;
  }
  return null;
}
