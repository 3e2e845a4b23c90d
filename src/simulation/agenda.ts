/** Virtual time and what is to happen in it: one event after the other, those of one moment in the order they were planned. */
import { Heap } from "../base/heap.ts";
import { toTicks_ms } from "./ticks.ts";

interface Event {
  readonly at: number;
  readonly number: number;
  readonly work: () => void;
}

export class Agenda {
  /** Milliseconds since the beginning, in whole ticks but at the ends that `next` was given. */
  now = 0;
  /** That have happened. */
  events = 0;
  #number = 0;
  readonly #heap = new Heap<Event>((a, b) => a.at < b.at || (a.at === b.at && a.number < b.number));

  /** Not before now. */
  at(time_ms: number, work: () => void): void {
    this.#heap.push({ at: Math.max(toTicks_ms(time_ms), this.now), number: this.#number++, work });
  }

  /** What happens next up to `end`, and it is that time; undefined when nothing does, and it is `end`. */
  next(end: number): (() => void) | undefined {
    const next = this.#heap.peek();
    if (next === undefined || next.at > end) {
      this.now = end;
      return undefined;
    }
    this.#heap.pop();
    this.now = next.at;
    this.events++;
    return next.work;
  }
}
