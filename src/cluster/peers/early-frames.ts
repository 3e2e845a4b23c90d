/**
 * Frames that come before anybody handles their class: a restarting node listens before its router is
 * there, and its peers send at once what has waited for it.
 */
import type { PeerClass, PeerFrame } from "./peers.ts";

/** Of one class; what is beyond it is lost, as delivery is at most once. */
export const earlyFramesLimit = 1_000;
export const earlyFramesLimit_bytes = 32 * 1024 * 1024;

export class EarlyFrames {
  readonly #held = new Map<PeerClass, { readonly frames: PeerFrame[]; bytes: number }>();

  add(kind: PeerClass, frame: PeerFrame): void {
    const held = this.#held.get(kind) ?? { frames: [], bytes: 0 };
    this.#held.set(kind, held);
    const bytes = held.bytes + frame.bytes.length;
    // Nothing after a lost one: a gap in the middle would hide from who counts frames.
    if (held.frames.length >= earlyFramesLimit || bytes > earlyFramesLimit_bytes) held.bytes = Infinity;
    if (held.bytes === Infinity) return;
    held.bytes = bytes;
    held.frames.push({ from: frame.from, bytes: frame.bytes.slice() });
  }

  /** In the order in which they came; they are not held any more. */
  take(kind: PeerClass): readonly PeerFrame[] {
    const { frames = [] } = this.#held.get(kind) ?? {};
    this.#held.delete(kind);
    return frames;
  }
}
