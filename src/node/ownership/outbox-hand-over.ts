/**
 * What a node that leaves for good has promised to deliver and could not yet: another node takes it over and goes on
 * trying. A message that both deliver is recognised by its id where its receiver is durable.
 */
import type { NodeId } from "../../base/ids.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { Membership } from "../../cluster/membership.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { Router } from "../../messaging/router.ts";
import type { Store } from "../../store/store.ts";
import { Reader, WireError, Writer } from "../../wire/cursor.ts";
import { checkMessage, messageIdOf, messageLimit_bytes } from "../../wire/message.ts";

const method = "messages.adopt";
/** Messages and bytes in one request; one larger message travels alone. */
const batch_messages = 1_000;
const batch_bytes = 8 * 1024 * 1024;
const request_ms = 10_000;

export interface OutboxHandOverOptions {
  readonly peers: Peers;
  readonly membership: Pick<Membership, "members" | "self">;
  readonly store: Pick<Store, "append" | "recoverOutbox">;
  readonly router: Pick<Router, "submit" | "carries">;
  /** How long a message is tried for. */
  readonly retry_ms: number;
  readonly failed: (what: string, reason: string) => void;
}

export class OutboxHandOver {
  readonly #options: OutboxHandOverOptions;

  /** Takes what others hand over from now on. */
  constructor(options: OutboxHandOverOptions) {
    this.#options = options;
    options.peers.handle(method, async (body) => {
      await this.#adopt(messagesIn(body));
      return new Uint8Array();
    });
  }

  /** How many messages stayed, since no other node took them. */
  async giveAway(): Promise<number> {
    const { store, membership } = this.#options;
    const messages = await store.recoverOutbox();
    const others = membership
      .members()
      .filter(({ id, status }) => id !== membership.self && status === "alive");
    let stayed = 0;
    for (const batch of batchesOf(messages)) {
      if (
        await this.#give(
          batch,
          others.map(({ id }) => id),
        )
      ) {
        await store.append(batch.map((message) => ({ kind: "sent", message: messageIdOf(message) })));
      } else stayed += batch.length;
    }
    return stayed;
  }

  async #give(batch: readonly Uint8Array[], nodes: readonly NodeId[]): Promise<boolean> {
    const { peers, failed } = this.#options;
    const body = new Writer(64 * 1024).varint(batch.length);
    for (const message of batch) body.blob(message);
    for (const node of nodes) {
      try {
        await peers.request(node, method, body.finish(), { timeout_ms: request_ms });
        return true;
      } catch (error) {
        failed(`hand ${batch.length} messages over to node "${node}"`, reasonOf(error));
      }
    }
    return false;
  }

  async #adopt(messages: readonly Uint8Array[]): Promise<void> {
    const { store, router, retry_ms } = this.#options;
    const fresh = messages.filter((message) => !router.carries(messageIdOf(message)));
    await store.append(fresh.map((message) => ({ kind: "outbox", message })));
    for (const message of fresh) {
      router.submit(message, { durable: true, retry_ms, deadLetter: true, done: () => {} });
    }
  }
}

/** Throws `invalid_body` for anything that is not exactly so many valid messages. */
function messagesIn(body: Uint8Array): readonly Uint8Array[] {
  try {
    const reader = new Reader(body);
    const messages = Array.from({ length: reader.count(batch_messages) }, () => {
      const message = reader.blob(messageLimit_bytes).slice();
      if (checkMessage(message) !== message.length) throw new WireError("more than a message");
      return message;
    });
    reader.finish();
    return messages;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new CaxtonError("invalid_body", `Request of a peer refused: ${reasonOf(error)}`, { cause: error });
  }
}

function* batchesOf(messages: readonly Uint8Array[]): Iterable<readonly Uint8Array[]> {
  let batch: Uint8Array[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (batch.length > 0 && (batch.length === batch_messages || bytes + message.length > batch_bytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += message.length;
  }
  if (batch.length > 0) yield batch;
}
