/**
 * What happened to durable messages and agents, as journal records. A group commit is one blob of
 * them; the tables (inbox, state, timers, outbox, dead letters, conversations) follow lazily and
 * can always be brought up from the journal.
 */
import type { AgentName, MessageId } from "../base/ids.ts";

export type JournalRecord =
  /** A message is in a durable agent's inbox. */
  | { readonly kind: "accepted"; readonly agent: AgentName; readonly message: Uint8Array }
  /** One handled message (or timer, when `message` is null), whole: acknowledgement, state writes, sends, timers. */
  | HandledRecord
  /** A message that this node promised to deliver and has not yet. */
  | { readonly kind: "outbox"; readonly message: Uint8Array }
  /** It was accepted by its receiver, or became a dead letter: out of the outbox. */
  | { readonly kind: "sent"; readonly message: MessageId }
  | {
      readonly kind: "dead";
      readonly reason: string;
      readonly detail: string;
      readonly at_ms: number;
      readonly message: Uint8Array;
    }
  /** For `message list` and `conversation show`; bounded retention. */
  | { readonly kind: "conversation"; readonly message: Uint8Array }
  /** What `save` gave, for the next revision. */
  | { readonly kind: "saved"; readonly agent: AgentName; readonly state: Uint8Array };

export interface HandledRecord {
  readonly kind: "handled";
  readonly agent: AgentName;
  readonly message: MessageId | null;
  /** A null value deletes the key. */
  readonly state: readonly { readonly key: Uint8Array; readonly value: Uint8Array | null }[];
  /** `local`: the receiver is a durable agent of this node, and this record is its acceptance. Otherwise it enters the outbox. */
  readonly sends: readonly { readonly local: boolean; readonly message: Uint8Array }[];
  /** A null due time cancels. */
  readonly timers: readonly { readonly id: number; readonly due_ms: number | null }[];
}
