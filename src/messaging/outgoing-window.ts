/**
 * What a thread's agents have sent to receivers elsewhere and main has not answered yet: bounded in
 * count and bytes. A place is reserved when the guest calls `send` (refused there when none is left),
 * becomes a ticket when the effects of the call are released, and is free again with the outcome.
 */

export const windowLimit_messages = 16_384;
export const windowLimit_bytes = 64 * 1024 * 1024;

interface Held {
  messages: number;
  bytes: number;
}

/**
 * Agents share it: one may hold only as much as is still free, so that one that sends to a receiver
 * which does not answer gets half of it, the next such one a third of the rest, and others always send.
 *
 * It also knows to which receivers something is under way: while that is so, later messages to the
 * same receiver take the same way even if it lives on this thread meanwhile, which keeps their order.
 */
export class OutgoingWindow {
  readonly #tickets = new Map<
    number,
    { readonly size: number; readonly receiver: string; readonly sender: string }
  >();
  readonly #underWay = new Map<string, number>();
  readonly #held = new Map<string, Held>();
  /** To whom main carries older mail that did not come from here. */
  readonly #owed = new Set<string>();
  #next = 1;
  #used = 0;
  #used_bytes = 0;

  constructor(
    private readonly limit_messages = windowLimit_messages,
    private readonly limit_bytes = windowLimit_bytes,
  ) {}

  /** Reserved and unanswered together. */
  get used(): number {
    return this.#used;
  }

  isUnderWay(receiver: string): boolean {
    return (
      (this.#used > 0 && this.#underWay.has(receiver)) || (this.#owed.size > 0 && this.#owed.has(receiver))
    );
  }

  /** Older mail of agents here, sent before this window was, is under way to those receivers. */
  owe(receivers: readonly string[]): void {
    for (const receiver of receivers) this.#owed.add(receiver);
  }

  /** None of it is any more. */
  settled(receiver: string): void {
    this.#owed.delete(receiver);
  }

  /** A place for a message of agent `sender`; false when there is none, or it holds its share. */
  reserve(size: number, receiver: string, sender: string): boolean {
    const free = this.limit_messages - this.#used;
    const free_bytes = this.limit_bytes - this.#used_bytes;
    if (free <= 0 || size > free_bytes) return false;
    const held = this.#held.get(sender);
    if (held !== undefined && (held.messages >= free || held.bytes >= free_bytes)) return false;
    this.take(size, receiver, sender);
    return true;
  }

  /** A place for a message that cannot be refused any more, whatever the limits. */
  take(size: number, receiver: string, sender: string): void {
    this.#used++;
    this.#used_bytes += size;
    this.#underWay.set(receiver, (this.#underWay.get(receiver) ?? 0) + 1);
    const held = this.#held.get(sender);
    if (held === undefined) {
      this.#held.set(sender, { messages: 1, bytes: size });
      return;
    }
    held.messages++;
    held.bytes += size;
  }

  /** The message of a reserved place will not be sent. */
  release(size: number, receiver: string, sender: string): void {
    this.#used--;
    this.#used_bytes -= size;
    const left = (this.#underWay.get(receiver) ?? 0) - 1;
    if (left > 0) this.#underWay.set(receiver, left);
    else this.#underWay.delete(receiver);
    const held = this.#held.get(sender);
    if (held === undefined) return;
    held.messages--;
    held.bytes -= size;
    if (held.messages <= 0) this.#held.delete(sender);
  }

  /** A ticket for a message of which a place is reserved. */
  issue(size: number, receiver: string, sender: string): number {
    const ticket = this.#next;
    this.#next = this.#next === 0xffff_ffff ? 1 : this.#next + 1;
    this.#tickets.set(ticket, { size, receiver, sender });
    return ticket;
  }

  /** False for a ticket that is not open. */
  answered(ticket: number): boolean {
    const open = this.#tickets.get(ticket);
    if (open === undefined) return false;
    this.#tickets.delete(ticket);
    this.release(open.size, open.receiver, open.sender);
    return true;
  }
}
