/** How messages between simulated participants fare: lost, repeated, late, out of order, or cut off in one direction. */
import type { Prng } from "../../base/prng.ts";
import type { RaftId } from "../../raft/configuration.ts";

export interface RaftNetworkNature {
  readonly delay_ms: number;
  readonly jitter_ms: number;
  readonly loss: number;
  readonly duplication: number;
  /** Share of messages that come much later. */
  readonly straggling: number;
  /** As over one stream: nothing overtakes. */
  readonly ordered: boolean;
}

const straggle_ms = 400;

export class RaftNetwork {
  readonly #cuts = new Set<string>();
  readonly #lastArrival = new Map<string, number>();
  /** No faults of its own any more, only delay. */
  calm = false;

  constructor(
    private readonly nature: RaftNetworkNature,
    private readonly prng: Prng,
  ) {}

  cut(from: RaftId, to: RaftId): void {
    this.#cuts.add(`${from} ${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  isCut(from: RaftId, to: RaftId): boolean {
    return this.#cuts.has(`${from} ${to}`);
  }

  /** When copies of a message sent now arrive: none, one or two moments. */
  arrivals(from: RaftId, to: RaftId, now: number): readonly number[] {
    const { prng, nature, calm } = this;
    if (this.isCut(from, to) || (!calm && prng.chance(nature.loss))) return [];
    const copies = !calm && prng.chance(nature.duplication) ? 2 : 1;
    const arrivals: number[] = [];
    for (let i = 0; i < copies; i++) {
      let at = now + nature.delay_ms + prng.float() * nature.jitter_ms;
      if (!calm && prng.chance(nature.straggling)) at += prng.float() * straggle_ms;
      if (nature.ordered) {
        const link = `${from} ${to}`;
        at = Math.max(at, this.#lastArrival.get(link) ?? 0);
        this.#lastArrival.set(link, at);
      }
      arrivals.push(at);
    }
    return arrivals;
  }
}
