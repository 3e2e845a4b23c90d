/** How long a node that was lost before, and came back, is waited for when it is lost again: longer each time. */
import type { NodeId } from "../../base/ids.ts";

const first_ms = 5_000;
const most_ms = 120_000;
/** Without a loss for so long, a node is as good as any. */
const forgiven_ms = 600_000;
const nodesLimit = 10_000;

export class FlapHold {
  readonly #losses = new Map<NodeId, { readonly count: number; readonly last_ms: number }>();

  /** Its agents were given away. */
  lost(node: NodeId, now_ms: number): void {
    const known = this.#losses.get(node);
    const count = known === undefined || now_ms - known.last_ms > forgiven_ms ? 1 : known.count + 1;
    this.#losses.delete(node);
    this.#losses.set(node, { count, last_ms: now_ms });
    if (this.#losses.size <= nodesLimit) return;
    const [oldest] = this.#losses.keys();
    if (oldest !== undefined) this.#losses.delete(oldest);
  }

  /** 0 for the first loss in a while. */
  hold_ms(node: NodeId, now_ms: number): number {
    const known = this.#losses.get(node);
    if (known === undefined || now_ms - known.last_ms > forgiven_ms) return 0;
    return Math.min(most_ms, first_ms * 2 ** Math.min(known.count - 1, 10));
  }
}
