/**
 * How long this node's news takes until all who were alive when it was told, and stayed so, are known to
 * have it. A member that goes meanwhile is left out, one that comes is not waited for; so a machine that is
 * down is no slow news.
 */
import type { NodeId } from "../../base/ids.ts";
import type { RecentSamples } from "./statistics.ts";

interface News {
  readonly sequence: number;
  readonly told_ms: number;
  readonly missing: Set<NodeId>;
  /** When the last so far was known to have it; undefined while nobody is. */
  latest_ms: number | undefined;
}

/** News under way; more pushes the oldest out, unmeasured. */
const newsLimit = 64;

export class Convergence {
  #news: News[] = [];
  readonly #samples: RecentSamples;

  constructor(samples: RecentSamples) {
    this.#samples = samples;
  }

  told(sequence: number, alive: Iterable<NodeId>, now_ms: number): void {
    const missing = new Set(alive);
    if (missing.size === 0) return;
    if (this.#news.length >= newsLimit) this.#news.shift();
    this.#news.push({ sequence, told_ms: now_ms, missing, latest_ms: undefined });
  }

  /** `node` has everything up to the sequence. */
  acknowledged(node: NodeId, sequence: number, now_ms: number): void {
    for (const news of this.#news)
      if (news.sequence <= sequence && news.missing.delete(node)) news.latest_ms = now_ms;
    this.#settle();
  }

  /** `node` is not alive any more. */
  lost(node: NodeId): void {
    for (const { missing } of this.#news) missing.delete(node);
    this.#settle();
  }

  #settle(): void {
    if (!this.#news.some(({ missing }) => missing.size === 0)) return;
    for (const { missing, told_ms, latest_ms } of this.#news)
      if (missing.size === 0 && latest_ms !== undefined) this.#samples.add(latest_ms - told_ms);
    this.#news = this.#news.filter(({ missing }) => missing.size > 0);
  }
}
