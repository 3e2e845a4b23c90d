/**
 * Durable mail of this node's agents that main carries: to whom each sender's is still under way. A thread that takes
 * such an agent on does not know of it (the thread that sent it has ended, or the whole node had), and would hand the next
 * message to a receiver beside it at once, ahead of what is older. So it is told, and told again when that is over.
 */
import { receiverOf, senderOf } from "../wire/message.ts";

export class OwedMail {
  /** By sender and receiver: how many messages. */
  readonly #underWay = new Map<string, Map<string, number>>();

  /** Main carries a message; what it returns is called once, when that ended: whether it was the pair's last. */
  carry(message: Uint8Array): () => Owed | undefined {
    const sender = senderOf(message);
    const receiver = receiverOf(message);
    const receivers = this.#underWay.get(sender) ?? new Map<string, number>();
    this.#underWay.set(sender, receivers);
    receivers.set(receiver, (receivers.get(receiver) ?? 0) + 1);
    return () => {
      const left = (receivers.get(receiver) ?? 0) - 1;
      if (left > 0) {
        receivers.set(receiver, left);
        return undefined;
      }
      receivers.delete(receiver);
      if (receivers.size === 0) this.#underWay.delete(sender);
      return { sender, receiver };
    };
  }

  /** To whom mail of that agent is under way. */
  receiversOf(sender: string): readonly string[] {
    return [...(this.#underWay.get(sender)?.keys() ?? [])];
  }
}

export interface Owed {
  readonly sender: string;
  readonly receiver: string;
}

/** What of it a thread has been told. */
export class ToldMail {
  /** By receiver: whose mail. */
  readonly #told = new Map<string, Set<string>>();

  /** Those of the receivers that the thread does not know of yet. */
  tell(sender: string, receivers: readonly string[]): readonly string[] {
    return receivers.filter((receiver) => {
      const senders = this.#told.get(receiver);
      if (senders === undefined) this.#told.set(receiver, new Set([sender]));
      else senders.add(sender);
      return senders === undefined;
    });
  }

  /** Whether the thread is to be told that nothing is under way to that receiver any more. */
  settle({ sender, receiver }: Owed): boolean {
    const senders = this.#told.get(receiver);
    if (senders?.delete(sender) !== true || senders.size > 0) return false;
    return this.#told.delete(receiver);
  }

  clear(): void {
    this.#told.clear();
  }
}
