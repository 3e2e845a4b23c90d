/** Gathers the effects of one `stepAll` and puts them in an order that is durable: early sends, the persist, the rest. */
import type { Configuration, RaftId } from "./configuration.ts";
import type { RaftEffect } from "./effects.ts";
import type { Entry, HardState, LogPosition } from "./entry.ts";
import type { RaftMessage } from "./messages.ts";

interface Write {
  readonly hardState: HardState | null;
  readonly reset: { readonly base: LogPosition; readonly configuration: Configuration } | null;
  readonly truncateFrom: number | null;
  readonly entries: readonly Entry[];
}

export class Outbox {
  #early: RaftEffect[] = [];
  #sends: { readonly to: RaftId; readonly message: RaftMessage }[] = [];
  #rest: RaftEffect[] = [];
  #lastPersist = 0;
  #persisted = 0;
  /** When the disk last made progress, or was given something to do. */
  #since = Infinity;

  /** The id that the next persist will have. */
  get nextPersist(): number {
    return this.#lastPersist + 1;
  }

  get persisted(): number {
    return this.#persisted;
  }

  confirm(persist: number, now: number): void {
    this.#persisted = Math.max(this.#persisted, persist);
    this.#since = this.#persisted < this.#lastPersist ? now : Infinity;
  }

  /** For how long the disk has owed an answer; 0 when it owes none. */
  stalled_ms(now: number): number {
    return Math.max(now - this.#since, 0);
  }

  /** A promise: leaves only after everything that was written up to the end of this step. */
  send(to: RaftId, message: RaftMessage): void {
    this.#sends.push({ to, message });
  }

  /** Says nothing that a crash could make untrue: may leave at once. */
  sendEarly(to: RaftId, message: RaftMessage): void {
    this.#early.push({ kind: "send", to, message, after: 0 });
  }

  emit(effect: Exclude<RaftEffect, { readonly kind: "send" | "persist" }>): void {
    this.#rest.push(effect);
  }

  /** What was promised in this step is not going to be written. */
  withdrawSends(): void {
    this.#sends = [];
  }

  take(write: Write | null, now: number): readonly RaftEffect[] {
    const effects = this.#early;
    this.#early = [];
    if (write !== null) {
      effects.push({ kind: "persist", id: ++this.#lastPersist, ...write });
      this.#since = Math.min(this.#since, now);
    }
    const after = this.#lastPersist > this.#persisted ? this.#lastPersist : 0;
    for (const { to, message } of this.#sends) effects.push({ kind: "send", to, message, after });
    this.#sends = [];
    for (const effect of this.#rest) effects.push(effect);
    this.#rest = [];
    return effects;
  }
}
