/**
 * What a thread's agents have sent to receivers elsewhere and main has not answered yet: bounded in
 * count and bytes. A place is reserved when the guest calls `send` (refused there when none is left),
 * becomes a ticket when the effects of the call are released, and is free again with the outcome.
 */

export const windowLimit_messages = 16_384;
export const windowLimit_bytes = 64 * 1024 * 1024;

/**
 * It also knows to which receivers something is under way: while that is so, later messages to the
 * same receiver take the same way even if it lives on this thread meanwhile, which keeps their order.
 */
export class OutgoingWindow {
  readonly #tickets = new Map<number, { readonly size: number; readonly receiver: string }>();
  readonly #underWay = new Map<string, number>();
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
    return this.#used > 0 && this.#underWay.has(receiver);
  }

  /** A place for a message; false when there is none. */
  reserve(size: number, receiver: string): boolean {
    if (this.#used >= this.limit_messages || this.#used_bytes + size > this.limit_bytes) return false;
    this.take(size, receiver);
    return true;
  }

  /** A place for a message that cannot be refused any more, whatever the limits. */
  take(size: number, receiver: string): void {
    this.#used++;
    this.#used_bytes += size;
    this.#underWay.set(receiver, (this.#underWay.get(receiver) ?? 0) + 1);
  }

  /** The message of a reserved place will not be sent. */
  release(size: number, receiver: string): void {
    this.#used--;
    this.#used_bytes -= size;
    const left = (this.#underWay.get(receiver) ?? 0) - 1;
    if (left > 0) this.#underWay.set(receiver, left);
    else this.#underWay.delete(receiver);
  }

  /** A ticket for a message of which a place is reserved. */
  issue(size: number, receiver: string): number {
    const ticket = this.#next;
    this.#next = this.#next === 0xffff_ffff ? 1 : this.#next + 1;
    this.#tickets.set(ticket, { size, receiver });
    return ticket;
  }

  /** False for a ticket that is not open. */
  answered(ticket: number): boolean {
    const open = this.#tickets.get(ticket);
    if (open === undefined) return false;
    this.#tickets.delete(ticket);
    this.release(open.size, open.receiver);
    return true;
  }
}
