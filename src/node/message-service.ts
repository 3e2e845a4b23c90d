/**
 * Messages of API clients: gives each its identity and return address, submits it to the router,
 * waits for the reply when asked, and keeps the conversation for `message list`.
 */
import type { MessageService, SendRequest, SendResult } from "../api/services.ts";
import { unreachable } from "../base/assert.ts";
import { CaxtonError } from "../base/errors.ts";
import { quote, type AgentName, type MessageId, type NodeId } from "../base/ids.ts";
import { LruMap } from "../base/lru-map.ts";
import type { Membership } from "../cluster/membership.ts";
import { partyOf, routingRefusal } from "../fipa/address.ts";
import { validateMessage } from "../fipa/validate.ts";
import type { ReplyWaiters } from "../messaging/reply-waiters.ts";
import type { ClientDelivery } from "../messaging/deliveries.ts";
import type { Router } from "../messaging/router.ts";
import type { Clock } from "../ports/clock.ts";
import { clientNameOf, idempotentId } from "../security/client-identity.ts";
import type { ConversationSummary, Page, Store } from "../store/store.ts";
import { decodeMessage, encodeMessage, readUuid, type Message } from "../wire/message.ts";
import type { Outcome } from "../wire/outcome.ts";
import { errorOfNotice, isFailureNotice } from "./events/failure-notice.ts";
import { ConversationRecords } from "./conversation-records.ts";

/** After this long without acceptance a message is queued durably and the client told so. */
const acceptancePatience_ms = 500;
/** How long an agent that nobody announces, or an unknown node, is looked for: gossip may be on its way. */
const unknownAgentPatience_ms = 1_500;
/** Idempotency keys whose request is remembered, so that another one under the same key is noticed. */
const keptKeys = 10_000;

export interface MessageServiceOptions {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly router: () => Router;
  readonly membership: Pick<Membership, "locate">;
  /** Whether a node of that name is or was in the cluster, as far as this one knows. */
  readonly nodeKnown: (node: NodeId) => boolean;
  readonly store: Store;
  readonly waiters: ReplyWaiters;
  /** `agents.max_answeredsize`. */
  readonly contentLimit_bytes: number;
  /** How long a queued message is tried before it becomes a dead letter. */
  readonly retry_ms: number;
  readonly newMessageId: () => MessageId;
  /** Of `idempotentId`. */
  readonly secret: Uint8Array;
  readonly failed: (what: string, reason: string) => void;
}

export class NodeMessages implements MessageService, ClientDelivery {
  readonly #options: MessageServiceOptions;
  /** By the message id that a key gives: the hash of the request it came with. */
  readonly #requests = new LruMap<MessageId, string>(keptKeys);
  readonly #conversations: ConversationRecords;

  constructor(options: MessageServiceOptions) {
    this.#options = options;
    this.#conversations = new ConversationRecords(options.store, options.failed);
  }

  async send(request: SendRequest): Promise<SendResult> {
    const { router, waiters, clock } = this.#options;
    if (router().full)
      throw new CaxtonError("queue_full", "Too many messages under way on this node; retry later");
    if (request.wait_ms !== null && waiters.full) {
      throw new CaxtonError("queue_full", "Too many clients wait for replies on this node; retry later");
    }
    const message = this.#complete(request);
    checkParties(message);
    const refusal = validateMessage(message, clock.wall_ms()) ?? routingRefusal(message.receiver);
    if (refusal !== null) throw new CaxtonError("invalid_message", refusal);
    const { contentLimit_bytes } = this.#options;
    if (message.content.length > contentLimit_bytes) {
      const size = `${message.content.length} bytes`;
      throw new CaxtonError("payload_too_large", `Content of ${size}: this node takes ${contentLimit_bytes}`);
    }
    const isFirst = request.idempotencyKey !== null && (await this.#isFirst(request, message.messageId));
    const encoded = encodeMessage(message);
    const giveUp = new AbortController();
    const client = clientName(message.sender);
    const reply = request.wait_ms === null ? null : waiters.wait(client, request.wait_ms, giveUp.signal);
    const record = this.#conversations.begin(client);
    let status: SendResult["status"];
    try {
      status = await this.#accepted(message, encoded);
    } catch (error) {
      giveUp.abort();
      record.refused();
      if (isFirst) this.#requests.delete(message.messageId);
      throw error;
    }
    record.accepted(encoded);
    const { messageId } = message;
    const { retry_ms } = this.#options;
    if (reply === null) return { messageId, status, retry_ms, reply: null };
    const answer = await reply;
    if (answer === undefined && waiters.closed) {
      const detail = `This node stops before "${message.receiver}" replied`;
      throw new CaxtonError("unavailable", `${detail}; message ${messageId} is ${status} all the same`);
    }
    if (answer === undefined) {
      throw new CaxtonError(
        "timeout",
        `No reply from "${message.receiver}" in time; message ${message.messageId} is ${status} all the same`,
      );
    }
    const answered = decodeMessage(answer);
    if (isFailureNotice(answered)) throw errorOfNotice(answered, message.receiver, messageId);
    return { messageId, status, retry_ms, reply: answered };
  }

  /** The node stops: nobody waits for a reply any more. */
  endWaits(): void {
    this.#options.waiters.close();
  }

  /** A message for `~subject.tag`: the reply that a client waits for, or one that came too late for it. */
  deliver(address: string, message: Uint8Array): void {
    this.#options.waiters.offer(address, message, isIdempotent(address));
    this.#conversations.add(address, message);
  }

  async list(options: {
    readonly conversation: string | null;
    readonly limit: number;
    readonly cursor: string | null;
  }): Promise<Page<Message>> {
    const page = await this.#options.store.listMessages(options);
    return { items: page.items.map((bytes) => decodeMessage(bytes)), next: page.next };
  }

  conversations(options: {
    readonly limit: number;
    readonly cursor: string | null;
  }): Promise<Page<ConversationSummary>> {
    return this.#options.store.listConversations(options);
  }

  /** Identity, return address and conversation, where the client gave none. */
  #complete(request: SendRequest): Message {
    const { message, idempotencyKey, principal, wait_ms } = request;
    const { secret, newMessageId } = this.#options;
    const messageId =
      idempotencyKey === null ? newMessageId() : idempotentId(secret, principal, idempotencyKey);
    return {
      ...message,
      messageId,
      sender: `~${clientNameOf(principal)}.${messageId.replaceAll("-", "")}@${this.#options.self}`,
      createdAt_ms: this.#options.clock.wall_ms(),
      conversationId: message.conversationId || messageId,
      replyWith: message.replyWith || (wait_ms === null ? "" : messageId),
    };
  }

  /** Remembers what a key stands for. Throws `conflict` when it stands for another request already. */
  async #isFirst(request: SendRequest, id: MessageId): Promise<boolean> {
    const { message } = request;
    // A retry is later and may be traced anew; a deadline may be "30s from now".
    const same = encodeMessage({ ...message, createdAt_ms: 0, replyBy_ms: 0, traceContext: "" });
    const hash = readUuid(new Uint8Array(await crypto.subtle.digest("SHA-256", same.slice())), 0);
    const known = this.#requests.get(id);
    if (known === undefined) this.#requests.set(id, hash);
    else if (known !== hash) {
      throw new CaxtonError(
        "conflict",
        "This Idempotency-Key was used for another message; a new one needs a new key",
      );
    }
    return known === undefined;
  }

  async #accepted(message: Message, encoded: Uint8Array): Promise<SendResult["status"]> {
    const { router, membership, clock, retry_ms } = this.#options;
    const node = nodeOf(message.receiver);
    const known =
      node === null
        ? membership.locate(message.receiver as AgentName) !== undefined
        : this.#options.nodeKnown(node);
    const mayQueue = known && message.delivery !== "at_most_once";
    const patience_ms = known ? acceptancePatience_ms : unknownAgentPatience_ms;
    let submitted: ReturnType<Router["submit"]> | undefined;
    const outcome = await new Promise<Outcome | undefined>((resolve) => {
      const timer = mayQueue ? clock.after(patience_ms, () => resolve(undefined)) : undefined;
      submitted = router().submit(encoded, {
        durable: false,
        retry_ms: mayQueue ? retry_ms : patience_ms,
        deadLetter: false,
        done: (ended) => {
          timer?.cancel();
          resolve(ended);
        },
      });
    });
    const ended = outcome ?? (await submitted?.queue(retry_ms));
    if (ended === undefined) return "queued";
    if (ended === "accepted") return "delivered";
    if (ended === "unreachable" && node !== null && !this.#options.nodeKnown(node)) {
      throw new CaxtonError(
        "node_not_found",
        `No node "${node}" in this cluster. See: caxton cluster members`,
      );
    }
    throw refusalOf(ended, message.receiver);
  }
}

/** `~subject.tag` of `~subject.tag@node`. */
function clientName(address: string): string {
  return address.slice(0, address.lastIndexOf("@"));
}

/** The node of `name@node`; null of a plain name. */
function nodeOf(receiver: string): NodeId | null {
  const at = receiver.lastIndexOf("@");
  return at < 0 ? null : (receiver.slice(at + 1) as NodeId);
}

/** Whether the tag, a message id without dashes, was derived from an idempotency key (UUID version 8). */
function isIdempotent(name: string): boolean {
  return name.at(name.lastIndexOf(".") + 1 + 12) === "8";
}

/**
 * A client has no inbox: what comes to its address answers it, and only agents answer. So another client's address
 * is no receiver, nor a place to have an agent's answer sent to. Throws `forbidden`.
 */
function checkParties({ sender, receiver, replyTo }: Message): void {
  if (receiver.startsWith("~")) {
    const detail = `Receiver ${quote(receiver)} is a client's address, which takes only what agents answer`;
    throw new CaxtonError("forbidden", `${detail}; send to an agent`);
  }
  if (!replyTo.startsWith("~") || partyOf(replyTo) === partyOf(sender)) return;
  throw new CaxtonError(
    "forbidden",
    `reply_to ${quote(replyTo)} is another client's address: leave it out, or name an agent`,
  );
}

function refusalOf(outcome: Exclude<Outcome, "accepted">, receiver: string): CaxtonError {
  switch (outcome) {
    case "unknown_agent":
      return new CaxtonError("agent_not_found", `No node hosts agent "${receiver}". See: caxton agent list`);
    case "queue_full":
      return new CaxtonError("queue_full", `The inbox of "${receiver}" is full; retry later`);
    case "agent_failed":
      return new CaxtonError(
        "agent_failed",
        `Agent "${receiver}" has failed. See: caxton agent logs ${receiver}`,
      );
    case "storage_failed":
      return new CaxtonError(
        "storage_failed",
        `The node of "${receiver}" cannot write to its disk; retry later`,
      );
    case "unreachable":
      return new CaxtonError("unreachable", `The node of "${receiver}" cannot be reached; retry later`);
    case "expired":
      return new CaxtonError("invalid_message", "The message's reply_by has passed");
    case "invalid_message":
      return new CaxtonError("invalid_message", `Agent "${receiver}" refused the message as invalid`);
    default:
      return unreachable(outcome);
  }
}
