/**
 * One conversation between two parties under a protocol, as a value, and its only step. Besides the
 * protocol's own turns, both sides may say not-understood, which ends it, and the initiator may cancel (the FIPA
 * cancel meta-protocol). A message with `reply_by` sets the deadline of the other side's next one.
 */
import { assert } from "../base/assert.ts";
import { quote, type MessageId } from "../base/ids.ts";
import type { Message, Performative } from "../wire/message.ts";
import { partyOf } from "./address.ts";
import { ended, type ProtocolRules, type Role } from "./protocol-rules.ts";
import { protocolNamed } from "./protocols.ts";
import { tagOf } from "./reply.ts";

/** What a conversation looks at. */
export type Said = Pick<
  Message,
  | "performative"
  | "messageId"
  | "sender"
  | "receiver"
  | "conversationId"
  | "replyWith"
  | "inReplyTo"
  | "replyTo"
  | "replyBy_ms"
  | "protocol"
>;

export interface Conversation {
  readonly id: string;
  readonly protocol: string;
  /** Parties as `partyOf` gives them, so neither the node nor a client's tag matters. */
  readonly initiator: string;
  readonly participant: string;
  /** Who gets the participant's messages: the initiator, or whom its `reply_to` named. */
  readonly answersTo: string;
  /** A state of the protocol's table, or `ended`. */
  readonly state: string;
  /** Wall time until which `awaited` must have spoken; 0 for none. */
  readonly deadline_ms: number;
  readonly awaited: Role;
  /** The tag of the initiator's unanswered cancel; null when there is none. */
  readonly cancel: string | null;
  /** The message that it came to this state by: seen again, as by an agent that writes to itself, it changes nothing. */
  readonly last: MessageId;
}

export type Step =
  | { readonly kind: "ok"; readonly conversation: Conversation }
  /** The conversation is as before. `expected` says, for people, what would have been right. */
  | { readonly kind: "out_of_protocol"; readonly expected: string };

/**
 * The conversation after `said`, which names a known protocol. `conversation` is the one of the two parties
 * under that id, or null when there is none. An ended one may be begun anew by an opening message, and so
 * may one whose deadline passed in silence. A cancel is never too late.
 */
export function advance(conversation: Conversation | null, said: Said, now_ms: number): Step {
  const rules = protocolNamed(said.protocol);
  assert(rules !== undefined, "only messages of a known protocol advance a conversation");
  if (conversation !== null && conversation.last === said.messageId) return { kind: "ok", conversation };
  if (conversation === null || conversation.state === ended) return open(rules, conversation, said);
  if (isLapsed(conversation, now_ms) && rules.opening[said.performative] !== undefined) {
    return open(rules, conversation, said);
  }
  assert(
    conversation.id === said.conversationId && conversation.protocol === said.protocol,
    "a message advances the conversation that it names",
  );
  const roles = rolesOf(conversation, said);
  if (roles.length === 0) {
    return refuse(
      `a message between ${quote(conversation.initiator)} and ${quote(conversation.participant)}`,
    );
  }
  if (said.performative === "not-understood") return { kind: "ok", conversation: closed(conversation, said) };
  for (const role of roles) {
    const advanced = turn(rules, conversation, said, role);
    if (advanced === null) continue;
    const late = isLapsed(conversation, now_ms) && conversation.awaited === role;
    if (late && said.performative !== "cancel") {
      return refuse(`it by ${new Date(conversation.deadline_ms).toISOString()}, which has passed`);
    }
    return { kind: "ok", conversation: advanced };
  }
  return refuse(expectations(rules, conversation));
}

function open(rules: ProtocolRules, before: Conversation | null, said: Said): Step {
  const state = rules.opening[said.performative];
  if (state === undefined) {
    // A crossing not-understood is no reason for another one.
    if (before !== null && said.performative === "not-understood")
      return { kind: "ok", conversation: before };
    const openings = list(Object.keys(rules.opening));
    return refuse(before === null ? `${openings} first` : `${openings}: the conversation has ended`);
  }
  const initiator = partyOf(said.sender);
  const conversation: Conversation = {
    id: said.conversationId,
    protocol: rules.name,
    initiator,
    participant: partyOf(said.receiver),
    answersTo: said.replyTo === "" ? initiator : partyOf(said.replyTo),
    state,
    deadline_ms: said.replyBy_ms,
    awaited: "participant",
    cancel: null,
    last: said.messageId,
  };
  return { kind: "ok", conversation };
}

/** None for strangers; both for one who talks to itself. */
function rolesOf(conversation: Conversation, said: Said): readonly Role[] {
  const from = partyOf(said.sender);
  const to = partyOf(said.receiver);
  const { initiator, participant, answersTo } = conversation;
  const roles: Role[] = [];
  if ((from === initiator || from === answersTo) && to === participant) roles.push("initiator");
  if (from === participant && (to === answersTo || to === initiator)) roles.push("participant");
  return roles;
}

/** The conversation after a turn that is allowed; null when it is not. */
function turn(rules: ProtocolRules, conversation: Conversation, said: Said, by: Role): Conversation | null {
  if (by === "initiator" && said.performative === "cancel" && conversation.cancel === null) {
    return next(conversation, said, by, conversation.state, tagOf(said));
  }
  if (by === "participant" && conversation.cancel !== null && said.inReplyTo === conversation.cancel) {
    if (said.performative === "inform") return next(conversation, said, by, ended, null);
    // The cancel failed, so the conversation goes on.
    if (said.performative === "failure") return next(conversation, said, by, conversation.state, null);
  }
  // Once it has cancelled, the initiator waits; what the participant says may have crossed the cancel on its way.
  if (by === "initiator" && conversation.cancel !== null) return null;
  const allowed = turnsOf(rules, conversation).find(
    (candidate) => candidate.by === by && candidate.says.includes(said.performative),
  );
  if (allowed !== undefined) return next(conversation, said, by, allowed.to, conversation.cancel);
  // An agent that leaves out in_reply_to may still confirm a cancel.
  const confirms = conversation.cancel !== null && said.performative === "inform" && said.inReplyTo === "";
  return by === "participant" && confirms ? next(conversation, said, by, ended, null) : null;
}

function next(
  conversation: Conversation,
  said: Said,
  by: Role,
  state: string,
  cancel: string | null,
): Conversation {
  if (state === ended) return closed(conversation, said);
  const awaited = by === "initiator" ? "participant" : "initiator";
  return { ...conversation, state, deadline_ms: said.replyBy_ms, awaited, cancel, last: said.messageId };
}

function closed(conversation: Conversation, said: Said): Conversation {
  return { ...conversation, state: ended, deadline_ms: 0, cancel: null, last: said.messageId };
}

function isLapsed({ deadline_ms }: Conversation, now_ms: number): boolean {
  return deadline_ms !== 0 && now_ms > deadline_ms;
}

function turnsOf(rules: ProtocolRules, conversation: Conversation): ProtocolRules["states"][string] {
  const turns = rules.states[conversation.state];
  assert(turns !== undefined, `protocol ${rules.name} has a state "${conversation.state}"`);
  return turns;
}

function expectations(rules: ProtocolRules, conversation: Conversation): string {
  if (conversation.cancel !== null)
    return `inform or failure from ${quote(conversation.participant)} to the cancel`;
  const parts = (["initiator", "participant"] as const).flatMap((role) => {
    const says = turnsOf(rules, conversation).flatMap((each) => (each.by === role ? each.says : []));
    return says.length === 0 ? [] : [`${list(says)} from ${quote(conversation[role])}`];
  });
  return `${parts.join(", or ")}, or cancel from ${quote(conversation.initiator)}`;
}

function list(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1) as string}`;
}

function refuse(expected: string): Step {
  return { kind: "out_of_protocol", expected };
}

/** Whether a participant of the protocol may ever say this. */
export function participantSays(rules: ProtocolRules, performative: Performative): boolean {
  return Object.values(rules.states).some((turns) =>
    turns.some(({ by, says }) => by === "participant" && says.includes(performative)),
  );
}
