/** Bodies of requests and responses, in chunks both ways. */
import { WireError } from "../../wire/cursor.ts";
import type { PeerFrame } from "../../wire/peer-frame.ts";
import { bodyChunk_bytes } from "../../wire/peer-frame.ts";
import type { FrameSource } from "./queue.ts";

/** Gathers a body of a known length. Holds what came, not what was announced. */
export class BodyAssembler {
  readonly #parts: Uint8Array[] = [];
  #received_bytes = 0;

  constructor(private readonly total_bytes: number) {}

  /** The body when this chunk completes it. Throws `WireError` for a chunk too much, or an empty one in between. */
  push(chunk: Uint8Array): Uint8Array | undefined {
    this.#received_bytes += chunk.length;
    if (this.#received_bytes > this.total_bytes) throw new WireError("more body than announced");
    if (chunk.length === 0 && this.total_bytes > 0) throw new WireError("empty chunk");
    // The chunk is a view of what the stream read.
    this.#parts.push(chunk.slice());
    if (this.#received_bytes < this.total_bytes) return undefined;
    if (this.#parts.length === 1) return this.#parts[0];
    const body = new Uint8Array(this.total_bytes);
    let at = 0;
    for (const part of this.#parts) {
      body.set(part, at);
      at += part.length;
    }
    return body;
  }
}

/** Writes a body: the first frame by `first`, the others by `further`. */
export class BodySource implements FrameSource {
  #at = 0;
  #begun = false;

  constructor(
    private readonly body: Uint8Array,
    private readonly first: (chunk: Uint8Array) => PeerFrame,
    private readonly further: (chunk: Uint8Array) => PeerFrame,
  ) {}

  get begun(): boolean {
    return this.#begun;
  }

  next(): PeerFrame | undefined {
    if (this.#begun && this.#at >= this.body.length) return undefined;
    const chunk = this.body.subarray(this.#at, this.#at + bodyChunk_bytes);
    this.#at += chunk.length;
    const frame = this.#begun ? this.further(chunk) : this.first(chunk);
    this.#begun = true;
    return frame;
  }
}
