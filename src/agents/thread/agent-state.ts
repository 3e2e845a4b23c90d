/**
 * An agent's key-value state in memory, keys in bytewise order. Writes of a call take effect at once
 * for that call and are undone when it traps; `commit` gives them as journal entries.
 * Keys are kept as Latin-1 text, which compares as the bytes do.
 */
import { OrderedMap } from "../../base/ordered-map.ts";
import { latin1, latin1Bytes } from "../../messaging/fast-ascii.ts";
import { effectsLimit, stateKeyLimit_bytes, stateValueLimit_bytes } from "../../wire/journal-codec.ts";

/** Keys that one call may write; what a journal record takes, with room to spare. */
export const stateWritesPerCall = effectsLimit / 4;
/** Keys and values together. */
export const stateLimit_bytes = 16 * 1024 * 1024;

export interface StateWrite {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

export class AgentState {
  readonly #values = new OrderedMap<Uint8Array>();
  /** What the keys written in this call had before it. */
  readonly #before = new Map<string, Uint8Array | undefined>();
  #bytes = 0;

  /** Keys and values together. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What the store had, to begin with. */
  recover(entries: readonly (readonly [Uint8Array, Uint8Array])[]): void {
    this.#values.clear();
    this.#before.clear();
    this.#bytes = 0;
    for (const [key, value] of entries) this.#put(latin1(key, 0, key.length), value);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    if (key.length > stateKeyLimit_bytes) return undefined;
    return this.#values.get(latin1(key, 0, key.length));
  }

  /** Keeps a copy of `value`. False when a limit would be passed: nothing changed then. */
  set(key: Uint8Array, value: Uint8Array): boolean {
    if (key.length === 0 || key.length > stateKeyLimit_bytes || value.length > stateValueLimit_bytes)
      return false;
    const text = latin1(key, 0, key.length);
    const old = this.#values.get(text);
    const added = old === undefined ? key.length + value.length : value.length - old.length;
    if (this.#bytes + added > stateLimit_bytes || !this.#remember(text, old)) return false;
    this.#put(text, value.slice());
    return true;
  }

  /** Absent afterwards; false when the call has written too many keys. */
  delete(key: Uint8Array): boolean {
    if (key.length > stateKeyLimit_bytes) return true;
    const text = latin1(key, 0, key.length);
    const old = this.#values.get(text);
    if (old === undefined) return true;
    if (!this.#remember(text, old)) return false;
    this.#remove(text);
    return true;
  }

  /** The smallest key greater than `key`; of an empty one, the first of all. */
  next(key: Uint8Array): Uint8Array | undefined {
    // No key is longer than the limit: what comes after a longer one comes after so much of it.
    const length = Math.min(key.length, stateKeyLimit_bytes);
    const found = this.#values.next(length === 0 ? undefined : latin1(key, 0, length));
    return found === undefined ? undefined : latin1Bytes(found);
  }

  /** The call succeeded. Its writes, one a key, when `collect` is true. */
  commit(collect: boolean): readonly StateWrite[] {
    if (this.#before.size === 0) return [];
    const writes: StateWrite[] = [];
    if (collect) {
      for (const [key, old] of this.#before) {
        const value = this.#values.get(key);
        if (value === undefined && old === undefined) continue;
        writes.push({ key: latin1Bytes(key), value: value ?? null });
      }
    }
    this.#before.clear();
    return writes;
  }

  /** The call trapped: everything is as before it. */
  undo(): void {
    for (const [key, old] of this.#before) {
      if (old === undefined) this.#remove(key);
      else this.#put(key, old);
    }
    this.#before.clear();
  }

  #remember(key: string, old: Uint8Array | undefined): boolean {
    if (this.#before.has(key)) return true;
    if (this.#before.size >= stateWritesPerCall) return false;
    this.#before.set(key, old);
    return true;
  }

  #put(key: string, value: Uint8Array): void {
    const old = this.#values.get(key);
    this.#values.set(key, value);
    this.#bytes += value.length - (old === undefined ? -key.length : old.length);
  }

  #remove(key: string): void {
    const old = this.#values.get(key);
    if (old === undefined) return;
    this.#values.delete(key);
    this.#bytes -= key.length + old.length;
  }
}
