/**
 * An agent's mail that is not handled yet: bounded in count and bytes, a lane for each priority.
 *
 * Order: messages of one (sender, conversation) are handled in the order in which they were accepted,
 * always. A message therefore joins the lane in which earlier mail of its stream still waits, whatever
 * its own priority; otherwise the lane of its priority. Lanes share by weight (critical 10, high 8,
 * normal 5, low 1 in a round, the most urgent first), so that none starves another.
 */
import { RingQueue } from "../base/ring-queue.ts";
import { priorities } from "../wire/message.ts";
import { streamKey } from "./fast-ascii.ts";

/** A message in an inbox. */
export interface Mail {
  readonly bytes: Uint8Array;
  /** Monotonic ms when it arrived, for the latency. */
  readonly arrived_ms: number;
}

export interface InboxLimits {
  readonly messages: number;
  readonly bytes: number;
}

const laneWeights: readonly number[] = [
  priorities.critical,
  priorities.high,
  priorities.normal,
  priorities.low,
];
const laneCount = laneWeights.length;

const normalLane = 2;

function laneOfPriority(priority: number): number {
  if (priority === priorities.normal) return normalLane;
  if (priority === priorities.critical) return 0;
  return priority === priorities.high ? 1 : 3;
}

/** `length` and `bytes` count what waits; with what is reserved they never pass the limits by `reserve` or `offer`. */
export class Inbox<M extends Mail> {
  readonly #lanes: (RingQueue<M> | undefined)[] = [undefined, undefined, undefined, undefined];
  readonly #credit: number[] = [...laneWeights];
  /** Mail that waits alone, as most does, is in no lane: so it costs an idle agent no look at its lanes. */
  #alone: M | undefined;
  /** Lane and count of each waiting stream; kept only from when two lanes are in use until all are empty. */
  #streams: Map<string, { lane: number; count: number }> | undefined;
  #length = 0;
  #bytes = 0;
  #reserved = 0;
  #reserved_bytes = 0;
  #limit_messages = 0;
  #limit_bytes = 0;

  constructor(limits: InboxLimits) {
    this.setLimits(limits);
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A smaller limit drops nothing: it refuses new mail until there is room. */
  setLimits(limits: InboxLimits): void {
    this.#limit_messages = limits.messages;
    this.#limit_bytes = limits.bytes;
  }

  hasRoom(size: number): boolean {
    return (
      this.#length + this.#reserved < this.#limit_messages &&
      this.#bytes + this.#reserved_bytes + size <= this.#limit_bytes
    );
  }

  /** Holds a place for a message on its way; false when there is none. */
  reserve(size: number): boolean {
    if (!this.hasRoom(size)) return false;
    this.#reserved++;
    this.#reserved_bytes += size;
    return true;
  }

  /** Gives a reserved place back: before its message is pushed, or when it will not come. */
  release(size: number): void {
    this.#reserved--;
    this.#reserved_bytes -= size;
  }

  /** Takes the message if it fits. */
  offer(mail: M): boolean {
    if (!this.hasRoom(mail.bytes.length)) return false;
    this.push(mail);
    return true;
  }

  /** Takes the message whatever the limits: it was accepted before (recovered, or its place was reserved). */
  push(mail: M): void {
    this.#bytes += mail.bytes.length;
    if (this.#length++ === 0) {
      this.#alone = mail;
      return;
    }
    if (this.#alone !== undefined) {
      this.#enqueue(this.#alone, 0);
      this.#alone = undefined;
    }
    this.#enqueue(mail, this.#length - 1);
  }

  /** `waiting`: how many are in lanes. */
  #enqueue(mail: M, waiting: number): void {
    let lane = laneOfPriority(mail.bytes[2] as number);
    if (this.#streams !== undefined || waiting > (this.#lanes[lane]?.length ?? 0)) {
      lane = this.#join(mail, lane);
    }
    let queue = this.#lanes[lane];
    if (queue === undefined) {
      queue = new RingQueue();
      this.#lanes[lane] = queue;
    }
    queue.push(mail);
  }

  /** The next message to handle, or undefined. */
  shift(): M | undefined {
    if (this.#length === 0) return undefined;
    const alone = this.#alone;
    if (alone !== undefined) {
      this.#alone = undefined;
      this.#left(alone);
      return alone;
    }
    // One lane alone, the usual case, shares with nobody.
    const normal = this.#lanes[normalLane];
    if (normal !== undefined && normal.length === this.#length) {
      const mail = normal.shift() as M;
      this.#left(mail);
      return mail;
    }
    for (;;) {
      for (let lane = 0; lane < laneCount; lane++) {
        const queue = this.#lanes[lane];
        if (queue === undefined || queue.length === 0 || (this.#credit[lane] as number) <= 0) continue;
        this.#credit[lane] = (this.#credit[lane] as number) - 1;
        const mail = queue.shift() as M;
        this.#left(mail);
        return mail;
      }
      for (let lane = 0; lane < laneCount; lane++) this.#credit[lane] = laneWeights[lane] as number;
    }
  }

  /** Removes and returns everything, in the order of handling. Reservations stay. */
  takeAll(): M[] {
    const all: M[] = [];
    for (let mail = this.shift(); mail !== undefined; mail = this.shift()) all.push(mail);
    return all;
  }

  #left(mail: M): void {
    this.#length--;
    this.#bytes -= mail.bytes.length;
    if (this.#streams === undefined) return;
    if (this.#length === 0) {
      this.#streams = undefined;
      return;
    }
    const key = streamKey(mail.bytes);
    const stream = this.#streams.get(key);
    if (stream !== undefined && --stream.count === 0) this.#streams.delete(key);
  }

  #join(mail: M, lane: number): number {
    const streams = this.#streams ?? this.#collect();
    this.#streams = streams;
    const key = streamKey(mail.bytes);
    const stream = streams.get(key);
    if (stream === undefined) {
      streams.set(key, { lane, count: 1 });
      return lane;
    }
    stream.count++;
    return stream.lane;
  }

  #collect(): Map<string, { lane: number; count: number }> {
    const streams = new Map<string, { lane: number; count: number }>();
    for (let lane = 0; lane < laneCount; lane++) {
      for (const mail of this.#lanes[lane] ?? []) {
        const key = streamKey(mail.bytes);
        const stream = streams.get(key);
        if (stream === undefined) streams.set(key, { lane, count: 1 });
        else stream.count++;
      }
    }
    return streams;
  }
}
