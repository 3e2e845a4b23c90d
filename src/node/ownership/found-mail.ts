/**
 * Mail that the outbox had when this node started. The router has it at once, so that newer mail of a lane stays behind
 * it, and lets nothing of it out before it is known whether the store is an old copy. Where it is one, all of that mail
 * may have been delivered long ago: it becomes dead letters. Which mail this is, is said by whoever reads the outbox.
 */
import type { MessageId } from "../../base/ids.ts";
import type { Submitted } from "../../messaging/router-options.ts";
import type { Router } from "../../messaging/router.ts";
import type { Store } from "../../store/store.ts";
import { messageIdOf } from "../../wire/message.ts";

export interface FoundMailOptions {
  readonly router: () => Pick<Router, "actsAgain">;
  readonly store: Pick<Store, "removeUnsent">;
  /** It became a dead letter: to be told to who sent it. */
  readonly doubted: (message: Uint8Array) => void;
}

interface Found {
  readonly message: Uint8Array;
  submitted: Pick<Submitted, "forget"> | undefined;
}

export class FoundMail {
  readonly #options: FoundMailOptions;
  /** Null once it may leave. */
  #waiting: Map<MessageId, Found> | null = new Map();
  #doubted = 0;

  constructor(options: FoundMailOptions) {
    this.#options = options;
  }

  /** Nothing that the node had from its last run may leave yet. */
  get waits(): boolean {
    return this.#waiting !== null;
  }

  /** Whether the router may not let it out yet. */
  holds(message: Uint8Array): boolean {
    return this.#waiting?.has(messageIdOf(message)) === true;
  }

  add(message: Uint8Array, submit: () => Pick<Submitted, "forget">): void {
    // It is held before the router has it, which would send it at once.
    const found: Found = { message, submitted: undefined };
    this.#waiting?.set(messageIdOf(message), found);
    found.submitted = submit();
  }

  /**
   * The store is an old copy: none of it is sent. Resolves, when that is on disk, with how many messages there were.
   * Throws what the store throws: then again.
   */
  async doubt(): Promise<number> {
    const found = [...(this.#waiting ?? [])];
    if (found.length === 0) return this.#doubted;
    await this.#options.store.removeUnsent(found.map(([id]) => id));
    this.#doubted += found.length;
    for (const [id, { message, submitted }] of found) {
      submitted?.forget();
      this.#waiting?.delete(id);
      this.#options.doubted(message);
    }
    return this.#doubted;
  }

  /** The store is what this node had, or its mail is dead letters by now. */
  release(): void {
    this.#waiting = null;
    this.#options.router().actsAgain();
  }
}
