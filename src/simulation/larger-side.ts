/**
 * Who is together when cuts have split the cluster: the part of it that has at least half of the nodes that run, and in
 * it those that reach most of the others there. Everybody outside is gone for them, until the cut heals.
 */
import type { Links } from "./links.ts";
import type { Truth } from "./truth.ts";

/** Of the larger side a member reaches so many, both ways. */
const reachLeast = 2 / 3;

export class LargerSide {
  /** Since when a node belongs to it, or runs outside of it; NaN else. */
  readonly insideSince_ms: Float64Array;
  readonly outsideSince_ms: Float64Array;

  constructor(
    private readonly truth: Truth,
    private readonly links: Links,
    private readonly now: () => number,
  ) {
    this.insideSince_ms = new Float64Array(links.nodes).fill(Number.NaN);
    this.outsideSince_ms = new Float64Array(links.nodes).fill(Number.NaN);
  }

  /** Once a second. */
  look(): void {
    const up = this.#all().filter((node) => this.truth.up[node] === 1);
    const side = new Set(this.links.hasCuts ? this.#largest(up) : up);
    const isHalf = 2 * side.size >= up.length;
    for (const node of this.#all()) {
      const isInside = isHalf && side.has(node) && this.#reachesMost(node, side);
      const isOutside = isHalf && this.truth.up[node] === 1 && !side.has(node);
      this.#mark(this.insideSince_ms, node, isInside);
      this.#mark(this.outsideSince_ms, node, isOutside);
    }
  }

  #mark(since_ms: Float64Array, node: number, holds: boolean): void {
    if (!holds) since_ms[node] = Number.NaN;
    else if (Number.isNaN(since_ms[node])) since_ms[node] = this.now();
  }

  #reachesMost(node: number, side: ReadonlySet<number>): boolean {
    if (!this.links.hasCuts) return true;
    let reached = 0;
    for (const other of side) if (this.#meet(node, other)) reached++;
    return reached >= reachLeast * side.size;
  }

  /** Joined by links that pass both ways, directly or through others. */
  #largest(up: readonly number[]): number[] {
    let largest: number[] = [];
    const rest = new Set(up);
    for (const first of up) {
      if (!rest.delete(first)) continue;
      const part = [first];
      for (const node of part) {
        for (const other of rest) {
          if (!this.#meet(node, other)) continue;
          rest.delete(other);
          part.push(other);
        }
      }
      if (part.length > largest.length) largest = part;
    }
    return largest;
  }

  #meet(a: number, b: number): boolean {
    return this.links.passes(a, b) && this.links.passes(b, a);
  }

  #all(): number[] {
    return Array.from({ length: this.links.nodes }, (_, node) => node);
  }
}
