/**
 * Keeps one agent's conversations to the FIPA protocol that they name. Only messages that carry one
 * of the known protocols and a conversation id are looked at. What a call sends counts once the
 * call has returned (`commit`), and never when it trapped (`undo`).
 */

export interface ConversationGuard {
  /** Why the agent may not send it, or undefined. */
  sending(message: Uint8Array): string | undefined;
  /** Why the message is out of protocol for the agent that receives it, or undefined: then it counts. */
  receiving(message: Uint8Array): string | undefined;
  commit(): void;
  undo(): void;
  /** The agent comes back from a restart: conversations that it had begun before are unknown, and pass. */
  forgive(): void;
}

/** Lets everything pass. */
export const openGuard: ConversationGuard = {
  sending: () => undefined,
  receiving: () => undefined,
  commit: () => undefined,
  undo: () => undefined,
  forgive: () => undefined,
};
