/**
 * Until when this node holds its lease, in memory that all threads of the process share. The raft thread writes it;
 * whoever releases effects reads it through a `LeaseGate`: an expired lease is seen at once, whatever else hangs.
 * A *tenure* is a time held without a gap. In a gap agents may have been given to others, so a new tenure counts for
 * a thread only once it was admitted, after main has looked at what is assigned.
 */
import type { BootClock } from "../../ports/boot-clock.ts";

const cell_bytes = 24;
/** In 64-bit words: until when, and until when the tenure before this one lasted. In 32-bit words: the tenure. */
const untilAt = 0;
const endedAt = 1;
const tenureAt = 4;

/** What says nothing is held; main makes it and gives it to the threads. */
export function newLeaseCell(): SharedArrayBuffer {
  return new SharedArrayBuffer(cell_bytes);
}

/** The raft thread's side: the only writer. */
export class LeaseCellWriter {
  readonly #until: BigInt64Array;
  readonly #words: Int32Array;

  constructor(cell: SharedArrayBuffer) {
    this.#until = new BigInt64Array(cell);
    this.#words = new Int32Array(cell);
  }

  get until_ms(): number {
    return Number(Atomics.load(this.#until, untilAt));
  }

  get tenure(): number {
    return Atomics.load(this.#words, tenureAt);
  }

  /** Held until then, by the boot clock. True when a new tenure begins: it was not held any more at `now_ms`. */
  hold(until_ms: number, now_ms: number): boolean {
    const before_ms = this.until_ms;
    const whole_ms = Math.floor(until_ms);
    if (whole_ms <= before_ms || whole_ms <= now_ms) return false;
    const begins = before_ms <= now_ms;
    // First the tenure: who reads the new time reads the new tenure after it.
    if (begins) {
      Atomics.store(this.#until, endedAt, BigInt(before_ms));
      Atomics.add(this.#words, tenureAt, 1);
    }
    Atomics.store(this.#until, untilAt, BigInt(whole_ms));
    return begins;
  }

  /** Gives it up now, if it is held. */
  lose(now_ms: number): void {
    if (this.until_ms > now_ms) Atomics.store(this.#until, untilAt, BigInt(Math.floor(now_ms)));
  }
}

/** One thread's way to ask. */
export class LeaseGate {
  readonly #until: BigInt64Array;
  readonly #words: Int32Array;
  #admitted = 0;

  constructor(
    readonly cell: SharedArrayBuffer,
    private readonly clock: BootClock,
  ) {
    this.#until = new BigInt64Array(cell);
    this.#words = new Int32Array(cell);
  }

  /** The tenure that counts here; 0 before the first. */
  get admitted(): number {
    return this.#admitted;
  }

  /** The tenure that was begun last; perhaps over, perhaps not admitted here. */
  get tenure(): number {
    return Atomics.load(this.#words, tenureAt);
  }

  admit(tenure: number): void {
    this.#admitted = tenure;
  }

  /** Until when the present tenure lasts, or the last one lasted; 0 before the first. */
  get until_ms(): number {
    return Number(Atomics.load(this.#until, untilAt));
  }

  /** Until when the tenure before that one lasted. */
  get ended_ms(): number {
    return Number(Atomics.load(this.#until, endedAt));
  }

  /** How much longer it lasts if it is not renewed, ms; 0 when it has run out, or its tenure is not admitted here. */
  remaining_ms(): number {
    // In this order: see the writer. The clock last, since the lease must last beyond the whole look.
    const { until_ms } = this;
    if (Atomics.load(this.#words, tenureAt) !== this.#admitted) return 0;
    return Math.max(0, until_ms - this.clock.now_ms());
  }

  holds(): boolean {
    return this.remaining_ms() > 0;
  }

  /** The same, whichever tenure it is: whether the node could act once this thread admits it. */
  isGranted(): boolean {
    return this.until_ms > this.clock.now_ms();
  }
}
