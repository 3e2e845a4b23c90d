/**
 * Keeps one agent's conversations to the FIPA protocol that they name (fipa/conversation-table.ts).
 * Only messages that carry a protocol and a conversation id are looked at; others need not be judged.
 * What a call receives and sends counts once it has returned (`commit`), and never when it trapped.
 */
import { ConversationTable } from "../fipa/conversation-table.ts";
import { decodeMessage } from "../wire/message.ts";
import { fieldLength } from "./fast-ascii.ts";

/** Conversations that are remembered for one agent. */
export const conversationsPerAgent = 1_000;

const conversationField = 2;
const protocolField = 6;

export class ConversationGuard {
  #table: ConversationTable | undefined;
  #forgiving = false;

  constructor(private readonly limit = conversationsPerAgent) {}

  /** Whether a checked message names a protocol and a conversation; others need not be judged. */
  static concerns(message: Uint8Array): boolean {
    return fieldLength(message, protocolField) !== 0 && fieldLength(message, conversationField) !== 0;
  }

  /** Why a checked message that the agent sends or receives is out of protocol, or undefined: then it counts. Wall time. */
  judge(message: Uint8Array, now_ms: number): string | undefined {
    if (this.#table === undefined) {
      this.#table = new ConversationTable(this.limit);
      if (this.#forgiving) this.#table.forgive();
    }
    const verdict = this.#table.advance(decodeMessage(message), now_ms);
    return verdict.kind === "out_of_protocol" ? verdict.reason : undefined;
  }

  commit(): void {
    this.#table?.commit();
  }

  undo(): void {
    this.#table?.undo();
  }

  /** The agent comes back from a restart: conversations that it had begun before are unknown, and pass. */
  forgive(): void {
    this.#forgiving = true;
    this.#table?.forgive();
  }
}
