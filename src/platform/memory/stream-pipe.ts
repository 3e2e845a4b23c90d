/**
 * One direction of a simulated stream: in order and complete like TCP, late when the network is bad. A
 * lost or cut-off segment is sent again until it gets through, so a cut looks like silence, not like an error.
 */
import type { MemoryNetwork } from "./network.ts";

/** First resend of a lost segment; doubles up to the longest, as TCP's does. */
const resendFirst_ms = 200;
const resendLongest_ms = 3_200;
/** What the two kernels would hold between the ends. */
const kernelBuffer_bytes = 256 * 1024;

interface Segment {
  readonly bytes_count: number;
  readonly arrive: () => void;
}

export class StreamPipe {
  readonly #segments: Segment[] = [];
  #unacknowledged_bytes = 0;
  #moving = false;
  #stopped = false;

  constructor(
    private readonly network: MemoryNetwork,
    private readonly from: string,
    private readonly to: string,
    /** Called after each delivery. */
    private readonly delivered: () => void,
  ) {}

  /** Written bytes that the kernels cannot hold. */
  get buffered_bytes(): number {
    return Math.max(0, this.#unacknowledged_bytes - kernelBuffer_bytes);
  }

  /** `arrive` runs at the other end, after everything pushed before it. */
  push(bytes_count: number, arrive: () => void): void {
    this.#segments.push({ bytes_count, arrive });
    this.#unacknowledged_bytes += bytes_count;
    this.#move();
  }

  /** What was pushed and has not arrived never will. */
  clear(): void {
    this.#segments.length = 0;
    this.#unacknowledged_bytes = 0;
  }

  /** Nothing arrives any more. */
  stop(): void {
    this.#stopped = true;
    this.#segments.length = 0;
  }

  #move(): void {
    if (this.#moving || this.#segments.length === 0) return;
    this.#moving = true;
    const late_ms = this.network.losesSegment(this.from, this.to) ? resendFirst_ms : 0;
    const delay_ms = this.network.delay_ms(this.from, this.to) + late_ms;
    this.network.clock.after(delay_ms, () => this.#arrive(resendFirst_ms));
  }

  #arrive(resend_ms: number): void {
    if (this.#stopped) return;
    if (!this.network.passes(this.from, this.to) || this.network.isPaused(this.to)) {
      const next_ms = Math.min(resendLongest_ms, resend_ms * 2);
      this.network.clock.after(resend_ms, () => this.#arrive(next_ms));
      return;
    }
    // Everything written by now travels together.
    const arrived = this.#segments.splice(0);
    this.#moving = false;
    for (const segment of arrived) {
      this.#unacknowledged_bytes = Math.max(0, this.#unacknowledged_bytes - segment.bytes_count);
      segment.arrive();
      if (this.#stopped) return;
    }
    this.delivered();
    this.#move();
  }
}
