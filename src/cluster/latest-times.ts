/** The most recent of some durations, for statistics. */
const kept_max = 512;

export class LatestTimes {
  readonly #times_ms: number[] = [];

  add(time_ms: number): void {
    this.#times_ms.push(time_ms);
    if (this.#times_ms.length > kept_max) this.#times_ms.shift();
  }

  get values_ms(): readonly number[] {
    return [...this.#times_ms];
  }
}
