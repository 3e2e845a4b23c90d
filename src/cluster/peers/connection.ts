/**
 * One stream with frames on it, as both sides use it: cuts and reads what comes, writes what the queue gives
 * in one batch a tick, minds backpressure, and notices a dead peer. Knows nothing of greetings or requests.
 */
import { reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import type { StreamConnection, StreamHandlers } from "../../ports/streams.ts";
import { Writer, WireError } from "../../wire/cursor.ts";
import { FrameSplitter } from "../../wire/frame-splitter.ts";
import { payloadOf, type PeerFrame, readPeerFrame, writeFrameHead } from "../../wire/peer-frame.ts";
import type { PeerQueue } from "./queue.ts";

/** Before the greeting a peer may send no more than a greeting. */
const greetingLimit_bytes = 1_024;
/** A batch is written when it has this much. */
const batch_bytes = 256 * 1024;
/** Larger payloads go to the stream without being copied into a batch. */
const direct_bytes = 64 * 1024;
/** Bytes handed to the stream and not taken by the kernel, beyond which the queue waits. */
const unsent_bytes = 512 * 1024;
/** Nothing heard for so many keep-alive times, asked or not: the peer or the way to it is dead. */
const keepAlivesUntilDead = 3;

/** Why a connection ended: a closed set, so that each can be counted by its name. */
export type CloseKind =
  /** Closed by this side in order. */
  | "closed"
  /** The peer closed it, or the connection broke. */
  | "lost"
  /** A frame that is none, or one that may not come now. */
  | "malformed"
  /** Nothing heard for too long. */
  | "silent"
  /** Our own handler failed on a frame. */
  | "handler_failed"
  /** The peer asked for more than may wait. */
  | "flooded"
  /** The peer said goodbye with a reason. */
  | "refused"
  /** Protocol versions without one in common. */
  | "version"
  /** Another node, or an earlier life of it, than it has to be. */
  | "wrong_peer"
  /** A newer connection took its place. */
  | "superseded";

export interface ConnectionCounters {
  bytesSent: number;
  bytesReceived: number;
}

export interface ConnectionEvents {
  /** A `WireError` that it throws closes the connection as malformed. */
  readonly frame: (frame: PeerFrame) => void;
  /** Exactly once. */
  readonly closed: (kind: CloseKind, detail: string) => void;
}

export class PeerConnection {
  readonly #splitter = new FrameSplitter(greetingLimit_bytes);
  #stream: StreamConnection | undefined;
  #greeted = false;
  #closed = false;
  #ending = false;
  #flushing = false;
  #blocked = false;
  #heard_ms: number;
  #asked_ms = -Infinity;

  constructor(
    private readonly queue: PeerQueue,
    private readonly clock: Clock,
    private readonly counters: ConnectionCounters,
    /** Nothing heard for three times as long, and the peer is dead. */
    private readonly keepAlive_ms: number,
    /** Nothing heard for this long: the peer is asked. */
    private readonly ask_ms: number,
    private readonly events: ConnectionEvents,
  ) {
    this.#heard_ms = clock.now_ms();
  }

  /** For `Streams.connect`, or what `accept` returns. */
  readonly handlers: StreamHandlers = {
    data: (chunk) => this.#received(chunk),
    drain: () => {
      this.#blocked = false;
      this.#flush();
    },
    close: (reason) => this.#end("lost", reason ?? "closed by the peer"),
  };

  get open(): boolean {
    return this.#stream !== undefined && !this.#closed;
  }

  /** The node that the stream's certificate names. */
  get peer(): NodeId | undefined {
    return this.#stream?.peer;
  }

  get buffered_bytes(): number {
    return this.#stream?.buffered_bytes ?? 0;
  }

  attach(stream: StreamConnection): void {
    this.#stream = stream;
    if (this.#closed) stream.destroy();
    else this.flushSoon();
  }

  /** Both sides know each other: frames up to the limit come in, and everything queued goes out. */
  greeted(limit_bytes: number): void {
    this.#greeted = true;
    this.#splitter.limit_bytes = limit_bytes;
    this.flushSoon();
  }

  control(frame: PeerFrame): void {
    if (this.#closed) return;
    if (this.queue.pushControl(frame)) this.flushSoon();
    else this.close("flooded", "more answers are asked for than the peer takes");
  }

  /** Everything queued in this turn of the loop goes out in one write at its end. */
  flushSoon(): void {
    if (this.#flushing || this.#blocked || this.#closed) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  /** Asks a silent peer, and gives a dead one up. To be called about every second or two. */
  check(now_ms: number): void {
    if (this.#closed) return;
    const silent_ms = now_ms - this.#heard_ms;
    const { keepAlive_ms, ask_ms } = this;
    if (silent_ms >= keepAlivesUntilDead * keepAlive_ms)
      this.close("silent", `nothing heard for ${Math.round(silent_ms / 1_000)} s`);
    else if (this.#greeted && silent_ms >= ask_ms && now_ms - this.#asked_ms >= keepAlive_ms) {
      this.#asked_ms = now_ms;
      this.control({ kind: "ping" });
    }
  }

  /** This process did not run for so long: silence meanwhile proves nothing. */
  forgive(slept_ms: number): void {
    this.#heard_ms = Math.min(this.clock.now_ms(), this.#heard_ms + slept_ms);
  }

  /** Ends at once. */
  close(kind: CloseKind, detail: string): void {
    const stream = this.#stream;
    this.#end(kind, detail);
    stream?.destroy();
  }

  /** Writes what is queued, then closes in order. */
  finish(kind: CloseKind, detail: string): void {
    if (this.#closed) return;
    this.#blocked = false;
    this.#ending = true;
    this.#flush();
    const stream = this.#stream;
    this.#end(kind, detail);
    stream?.end();
  }

  #end(kind: CloseKind, detail: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.events.closed(kind, detail);
  }

  #received(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#heard_ms = this.clock.now_ms();
    this.counters.bytesReceived += chunk.length;
    try {
      this.#splitter.push(chunk, (tag, body) => {
        this.events.frame(readPeerFrame(tag, body));
        return !this.#closed;
      });
    } catch (error) {
      if (error instanceof WireError) this.close("malformed", error.message);
      else this.close("handler_failed", reasonOf(error));
    }
  }

  #flush(): void {
    const stream = this.#stream;
    if (stream === undefined || this.#closed || this.#blocked) return;
    for (;;) {
      const { batch, direct } = this.#nextBatch();
      if (batch.length === 0) return;
      let taken = stream.write(batch.view());
      if (direct) taken = stream.write(direct);
      this.counters.bytesSent += batch.length + (direct?.length ?? 0);
      if (!taken && stream.buffered_bytes > unsent_bytes && !this.#ending) {
        this.#blocked = true;
        return;
      }
    }
  }

  /** Many small frames in one buffer, and at most one large payload to be written right after it. */
  #nextBatch(): { readonly batch: Writer; readonly direct: Uint8Array | undefined } {
    const batch = new Writer(Math.min(batch_bytes + direct_bytes, Math.max(256, this.queue.queued_bytes)));
    while (batch.length < batch_bytes) {
      const frame = this.#greeted ? this.queue.next() : this.queue.nextControl();
      if (frame === undefined) break;
      writeFrameHead(batch, frame);
      const payload = payloadOf(frame);
      if (payload.length >= direct_bytes) return { batch, direct: payload };
      batch.raw(payload);
    }
    return { batch, direct: undefined };
  }
}
