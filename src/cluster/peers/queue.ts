/**
 * What waits to be written to one peer connection: control frames first, then frames in order, then one
 * chunk of each transfer in turn, so that large bodies share the stream. Bounded in bytes and counts.
 */
import type { PeerFrame } from "../../wire/peer-frame.ts";
import { frameFieldsLimit_bytes, payloadOf } from "../../wire/peer-frame.ts";

/** Frames that `send` queued for a peer and class. */
export const queueLimit_bytes = 64 * 1024 * 1024;
/** Pongs, cancels and failures that are not written yet; only a peer that floods gets there. */
const controlLimit_frames = 4_096;
/** What one queued frame costs besides its payload, roughly. */
const frameOverhead_bytes = 64;

/** A body that is written in chunks. */
export interface FrameSource {
  /** The next chunk, or undefined when all of it is written. */
  next(): PeerFrame | undefined;
}

export class PeerQueue {
  #control: PeerFrame[] = [];
  #frames: PeerFrame[] = [];
  #head = 0;
  #sources: FrameSource[] = [];
  #queued_bytes = 0;

  get queued_bytes(): number {
    return this.#queued_bytes;
  }

  get empty(): boolean {
    return this.#control.length === 0 && this.#head === this.#frames.length && this.#sources.length === 0;
  }

  /** False when the queue is full; one frame of any size fits an empty queue. */
  push(frame: PeerFrame): boolean {
    const bytes = costOf(frame);
    if (this.#queued_bytes > 0 && this.#queued_bytes + bytes > queueLimit_bytes) return false;
    this.#frames.push(frame);
    this.#queued_bytes += bytes;
    return true;
  }

  /** Goes before everything else. False when there are too many. */
  pushControl(frame: PeerFrame): boolean {
    if (this.#control.length >= controlLimit_frames) return false;
    this.#control.push(frame);
    return true;
  }

  addSource(source: FrameSource): void {
    this.#sources.push(source);
  }

  removeSource(source: FrameSource): void {
    this.#sources = this.#sources.filter((other) => other !== source);
  }

  /** The next control frame only: what may be written before both sides have greeted. */
  nextControl(): PeerFrame | undefined {
    return this.#control.shift();
  }

  next(): PeerFrame | undefined {
    const control = this.nextControl();
    if (control) return control;
    const frame = this.#frames[this.#head];
    if (frame) {
      this.#head++;
      this.#queued_bytes -= costOf(frame);
      this.#compact();
      return frame;
    }
    for (let source = this.#sources.shift(); source; source = this.#sources.shift()) {
      const chunk = source.next();
      if (chunk === undefined) continue;
      this.#sources.push(source);
      return chunk;
    }
    return undefined;
  }

  /** Control frames belong to a connection; the next one begins without them. */
  clearControl(): void {
    this.#control = [];
  }

  clear(): void {
    this.#control = [];
    this.#frames = [];
    this.#sources = [];
    this.#head = 0;
    this.#queued_bytes = 0;
  }

  #compact(): void {
    if (this.#head === this.#frames.length) {
      this.#frames = [];
      this.#head = 0;
    } else if (this.#head > 4_096 && this.#head * 2 > this.#frames.length) {
      this.#frames.splice(0, this.#head);
      this.#head = 0;
    } else {
      // What was written must not stay in memory.
      this.#frames[this.#head - 1] = written;
    }
  }
}

const written: PeerFrame = { kind: "ping" };

function costOf(frame: PeerFrame): number {
  return payloadOf(frame).length + frameOverhead_bytes;
}

/** Bounds of one frame (tag, fields and payload) by the purpose of its connection. */
export function frameLimit_bytes(bulk: boolean): number {
  return (bulk ? 64 * 1024 : 16 * 1024 * 1024 + 64 * 1024) + frameFieldsLimit_bytes;
}
