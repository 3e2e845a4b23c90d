/**
 * The conversations that an agent, or a thread of agents, has part in: bounded, the longest unused
 * forgotten first. Changes count at once, and can be taken back as one (`undo`) until `commit`.
 */
import { assert } from "../base/assert.ts";
import { LruMap } from "../base/lru-map.ts";
import type { Message } from "../wire/message.ts";
import { partyOf } from "./address.ts";
import { advance, participantSays, type Conversation, type Said } from "./conversation.ts";
import { ended } from "./protocol-rules.ts";
import { protocolNamed } from "./protocols.ts";

export const conversationsLimit = 10_000;
/** Between two commits; a call of an agent makes far fewer. */
const changesLimit = 100_000;

/**
 * `free`: the message names no enforced protocol or no conversation, or belongs to one that this table can not
 * know. `reason` is a sentence for the content of a not-understood.
 */
export type Verdict =
  | { readonly kind: "ok" }
  | { readonly kind: "free" }
  | { readonly kind: "out_of_protocol"; readonly reason: string };

export class ConversationTable {
  readonly #conversations: LruMap<string, Conversation>;
  /** What entries were before the changes since the last commit, in order. */
  #changes: { readonly key: string; readonly before: Conversation | undefined }[] = [];
  /** Some conversations are forgotten, so an unknown one may be right. */
  #forgetful = false;

  constructor(limit = conversationsLimit) {
    this.#conversations = new LruMap(limit);
  }

  get size(): number {
    return this.#conversations.size;
  }

  /** Judges the message, and when it is in protocol counts it. `now_ms` is wall time. */
  advance(said: Said, now_ms: number): Verdict {
    const rules = protocolNamed(said.protocol);
    if (rules === undefined || said.conversationId === "") return { kind: "free" };
    const known = this.#find(said);
    const opens = rules.opening[said.performative] !== undefined;
    if (known === null && !opens && (this.#forgetful || isDelegated(said))) return { kind: "free" };
    const step = advance(known, said, now_ms);
    if (step.kind === "out_of_protocol") {
      const reason = `${said.performative} is out of ${said.protocol}: expected ${step.expected}`;
      return { kind: "out_of_protocol", reason };
    }
    this.#keep(step.conversation);
    return { kind: "ok" };
  }

  /** The changes so far stay. */
  commit(): void {
    this.#changes = [];
  }

  /** Takes back what counted since the last commit: the call that sent it has trapped. */
  undo(): void {
    for (const { key, before } of this.#changes.toReversed()) {
      if (before === undefined) this.#conversations.delete(key);
      else this.#conversations.set(key, before);
    }
    this.#changes = [];
  }

  /** Those who use the table come back from a restart: conversations begun before it are unknown, and free. */
  forgive(): void {
    this.#forgetful = true;
  }

  #find(said: Said): Conversation | null {
    const from = partyOf(said.sender);
    const to = partyOf(said.receiver);
    const asInitiator = this.#conversations.get(keyOf(said, from, to));
    const asParticipant = this.#conversations.get(keyOf(said, to, from));
    if (asInitiator === undefined || asParticipant === undefined) return asInitiator ?? asParticipant ?? null;
    // Each asked the other something under one id: the one that still runs is meant.
    return asInitiator.state === ended ? asParticipant : asInitiator;
  }

  #keep(conversation: Conversation): void {
    const { initiator, participant, answersTo, id, protocol } = conversation;
    const named = { conversationId: id, protocol };
    this.#set(keyOf(named, initiator, participant), conversation);
    if (answersTo !== initiator) this.#set(keyOf(named, answersTo, participant), conversation);
  }

  #set(key: string, conversation: Conversation): void {
    const before = this.#conversations.get(key);
    if (before === undefined && this.#conversations.size === this.#conversations.limit)
      this.#forgetful = true;
    assert(
      this.#changes.length < changesLimit,
      "a conversation table is committed or undone after every call",
    );
    this.#changes.push({ key, before });
    this.#conversations.set(key, conversation);
  }
}

/**
 * An answer to something that this table did not see asked: somebody named this agent in a `reply_to`. Answers
 * change nothing by themselves, so they pass.
 */
function isDelegated(said: Said): boolean {
  const rules = protocolNamed(said.protocol);
  return said.inReplyTo !== "" && rules !== undefined && participantSays(rules, said.performative);
}

function keyOf(
  named: Pick<Message, "conversationId" | "protocol">,
  initiator: string,
  participant: string,
): string {
  return `${named.conversationId}\n${named.protocol}\n${initiator}\n${participant}`;
}
