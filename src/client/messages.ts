/** `/api/v1/messages`, `/conversations`, `/dead-letters`, a method a route. */
import type { DeadLettersAnswer, PurgedAnswer, ReplayedAnswer } from "../api/messages/dead-letters.ts";
import type { ConversationsAnswer, MessagesAnswer } from "../api/messages/history.ts";
import type { SendBody } from "../api/messages/message.ts";
import type { SendAnswer } from "../api/messages/send.ts";
import { formatDuration } from "../base/durations.ts";
import type { Transport } from "./transport.ts";

export interface PageQuery {
  readonly limit?: number;
  readonly cursor?: string;
}

export class MessagesClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `wait_ms`: resolve with the reply, or throw `timeout` when none came. The same key sends the same message once. */
  send(
    message: Omit<SendBody, "wait" | "sender">,
    options: { readonly wait_ms?: number; readonly idempotencyKey?: string } = {},
  ): Promise<SendAnswer> {
    const { wait_ms, idempotencyKey } = options;
    return this.#transport.json({
      method: "POST",
      path: "/api/v1/messages",
      json: wait_ms === undefined ? message : { ...message, wait: formatDuration(wait_ms) },
      ...(idempotencyKey === undefined ? {} : { headers: { "idempotency-key": idempotencyKey } }),
      patience_ms: wait_ms ?? 0,
    });
  }

  list(query: PageQuery & { readonly conversation?: string } = {}): Promise<MessagesAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/messages", query: { ...query } });
  }

  conversations(query: PageQuery = {}): Promise<ConversationsAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/conversations", query: { ...query } });
  }

  conversation(id: string, query: PageQuery = {}): Promise<MessagesAnswer> {
    return this.#transport.json({
      method: "GET",
      path: `/api/v1/conversations/${encodeURIComponent(id)}`,
      query: { ...query },
    });
  }

  /** Of every node unless one is named. */
  deadLetters(query: PageQuery & { readonly node?: string } = {}): Promise<DeadLettersAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/dead-letters", query: { ...query } });
  }

  /** Ids are those of `node`, the one that answers unless given; "all" is of every node unless one is given. */
  replayDeadLetters(ids: readonly number[] | "all", node?: string): Promise<ReplayedAnswer> {
    const json = { ...(ids === "all" ? { all: true } : { ids }), node };
    return this.#transport.json({ method: "POST", path: "/api/v1/dead-letters/replay", json });
  }

  purgeDeadLetters(ids: readonly number[] | "all", node?: string): Promise<PurgedAnswer> {
    const query = { ...(ids === "all" ? { all: true } : { ids: ids.join(",") }), node };
    return this.#transport.json({ method: "DELETE", path: "/api/v1/dead-letters", query });
  }
}
