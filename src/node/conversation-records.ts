/**
 * What clients said and were answered, written down for `message list` and `conversation show`. A quick
 * reply arrives before its request is known to be accepted; it waits, so that the request stands before it.
 */
import { reasonOf } from "../base/errors.ts";
import type { Store } from "../store/store.ts";

/** Records waiting for the store; more are skipped and counted. */
const recordLimit = 1_000;
/** Replies that wait for one request; more are written down at once. */
const heldLimit = 100;

/** One request on its way; end it with one of the two. */
export interface RequestRecord {
  accepted(message: Uint8Array): void;
  refused(): void;
}

export class ConversationRecords {
  /** By the client's address: replies to a request that is not written down yet. */
  readonly #held = new Map<string, Uint8Array[]>();
  readonly #store: Pick<Store, "append">;
  readonly #failed: (what: string, reason: string) => void;
  #writing = 0;

  constructor(store: Pick<Store, "append">, failed: (what: string, reason: string) => void) {
    this.#store = store;
    this.#failed = failed;
  }

  /** Before a request of this client leaves. */
  begin(client: string): RequestRecord {
    const held: Uint8Array[] = [];
    // Two of one client, as by a repeated idempotency key, are the same message: the first one counts.
    const first = !this.#held.has(client);
    if (first) this.#held.set(client, held);
    const end = (request: readonly Uint8Array[]): void => {
      if (first) this.#held.delete(client);
      for (const message of [...request, ...held]) this.#write(message);
    };
    return { accepted: (message) => end([message]), refused: () => end([]) };
  }

  /** A message for this client. */
  add(client: string, message: Uint8Array): void {
    const held = this.#held.get(client);
    if (held !== undefined && held.length < heldLimit) held.push(message);
    else this.#write(message);
  }

  #write(message: Uint8Array): void {
    if (this.#writing >= recordLimit) return;
    this.#writing++;
    this.#store
      .append([{ kind: "conversation", message }])
      .catch((error: unknown) => this.#failed("record a conversation", reasonOf(error)))
      .finally(() => this.#writing--);
  }
}
