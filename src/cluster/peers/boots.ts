/**
 * The latest life of each peer that this node has heard of, by boot epoch. Nobody comes back in an earlier one; and since
 * a life of the far future would keep all true ones out, none is believed that no clock can have given.
 */
import { quote, type NodeId } from "../../base/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import { bootCeiling } from "../boot-ceiling.ts";

/** Nodes that are remembered; the first remembered is forgotten first. */
const nodesLimit = 16_384;

export class PeerBoots {
  readonly #latest = new Map<NodeId, number>();

  /** `restarted`: the node was known in an earlier life. */
  constructor(
    private readonly clock: Pick<Clock, "wall_ms">,
    private readonly restarted: (node: NodeId) => void,
  ) {}

  /** Remembers the life if it is a later one. Why it is refused, and then nothing is remembered; null when it is not. */
  refusal(node: NodeId, bootEpoch: number): string | null {
    const known = this.#latest.get(node);
    if (known === bootEpoch) return null;
    if (known !== undefined && bootEpoch < known)
      return `a later start of ${quote(node)} than ${bootEpoch} is known`;
    if (bootEpoch > bootCeiling(this.clock))
      return `the start ${bootEpoch} of ${quote(node)} is in the future: set its clock`;
    this.#latest.delete(node);
    this.#latest.set(node, bootEpoch);
    for (const oldest of this.#latest.keys()) {
      if (this.#latest.size <= nodesLimit) break;
      this.#latest.delete(oldest);
    }
    if (known !== undefined) this.restarted(node);
    return null;
  }
}
