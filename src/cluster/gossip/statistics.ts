/** Counters and recent samples of the gossip driver. */
import type { GossipStats } from "../membership.ts";

/** The most recent `limit` numbers, oldest first. */
export class RecentSamples {
  readonly #samples: number[] = [];

  constructor(private readonly limit: number) {}

  add(sample: number): void {
    this.#samples.push(sample);
    if (this.#samples.length > this.limit) this.#samples.shift();
  }

  values(): readonly number[] {
    return [...this.#samples];
  }
}

export class GossipStatistics {
  packetsSent = 0;
  packetsReceived = 0;
  bytesSent = 0;
  bytesReceived = 0;
  readonly roundTrips = new RecentSamples(512);
  readonly convergence = new RecentSamples(64);
  readonly #dropped = new Map<string, number>();

  dropped(reason: string): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + 1);
  }

  /** `refused` are the core's own counts of records that it did not believe. */
  snapshot(localHealth: number, refused: ReadonlyMap<string, number>): GossipStats {
    const { packetsSent, packetsReceived, bytesSent, bytesReceived } = this;
    return {
      packetsSent,
      packetsReceived,
      bytesSent,
      bytesReceived,
      dropped: Object.fromEntries([...this.#dropped, ...refused]),
      roundTrips_ms: this.roundTrips.values(),
      localHealth,
      convergence_ms: this.convergence.values(),
    };
  }
}

const sourcesLimit = 256;
const silence_ms = 60_000;

/** Lets one report a source and minute through; what is beyond the limit of sources waits for the next minute. */
export class OncePerMinute {
  readonly #told = new Map<string, number>();

  allows(source: string, now: number): boolean {
    const last = this.#told.get(source);
    if (last !== undefined && now - last < silence_ms) return false;
    if (this.#told.size >= sourcesLimit) {
      for (const [known, at] of this.#told) if (now - at >= silence_ms) this.#told.delete(known);
      if (this.#told.size >= sourcesLimit) return false;
    }
    this.#told.set(source, now);
    return true;
  }
}
