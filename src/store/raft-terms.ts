/** The terms of a log in memory: few numbers, since terms only rise. Index and term of where each begins. */
import type { LogPosition } from "../raft/entry.ts";

export class TermRuns {
  #runs: LogPosition[];

  /** `base` is the last compacted entry. */
  constructor(base: LogPosition) {
    this.#runs = [base];
  }

  /** The term of the last entry. */
  get last(): number {
    return this.#runs.at(-1)?.term ?? 0;
  }

  /** Undefined before the base. The caller minds the end. */
  at(index: number): number | undefined {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle] as LogPosition).index <= index) low = middle + 1;
      else high = middle;
    }
    return this.#runs[low - 1]?.term;
  }

  append({ index, term }: LogPosition): void {
    if (term !== this.last) this.#runs.push({ index, term });
  }

  truncate(from: number): void {
    while (this.#runs.length > 1 && (this.#runs.at(-1)?.index ?? 0) >= from) this.#runs.pop();
  }

  compact(base: LogPosition): void {
    this.#runs = [base, ...this.#runs.filter(({ index }) => index > base.index)];
  }

  reset(base: LogPosition): void {
    this.#runs = [base];
  }

  mark(): () => void {
    const runs = [...this.#runs];
    return () => {
      this.#runs = runs;
    };
  }
}
