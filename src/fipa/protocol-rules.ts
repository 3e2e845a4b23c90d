/** The shape of a protocol: who may say what in which state. Each protocol's file is one such table. */
import type { Performative } from "../wire/message.ts";

/** The initiator sends the first message; the participant is whom it is sent to. */
export type Role = "initiator" | "participant";

/** Where a conversation is over; the same in all protocols. */
export const ended = "ended";

export interface Turn {
  readonly by: Role;
  readonly says: readonly Performative[];
  /** The state it leads to. */
  readonly to: string;
}

export interface ProtocolRules {
  readonly name: string;
  /** What begins a conversation, and the state it leads to. */
  readonly opening: Readonly<Partial<Record<Performative, string>>>;
  /** Every state but `ended`. */
  readonly states: Readonly<Record<string, readonly Turn[]>>;
}
