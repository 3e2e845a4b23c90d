/** What an agent thread counts, for its statistics. */
import { LatencyHistogram } from "../../base/latency-histogram.ts";
import type { TrapKind } from "../../wasm/trap.ts";

const startupSamples = 512;

export class ThreadCounters {
  handled = 0;
  fuel = 0;
  readonly latency = new LatencyHistogram();
  readonly #traps: Record<string, number> = {};
  readonly #startups_ms: number[] = [];

  trap(kind: TrapKind): void {
    this.#traps[kind] = (this.#traps[kind] ?? 0) + 1;
  }

  startup(duration_ms: number): void {
    if (this.#startups_ms.length === startupSamples) this.#startups_ms.shift();
    this.#startups_ms.push(duration_ms);
  }

  get trapsByKind(): Readonly<Record<string, number>> {
    return { ...this.#traps };
  }

  /** Most recent last. */
  get startups_ms(): readonly number[] {
    return [...this.#startups_ms];
  }
}
