/** Two ends of a channel in one thread: messages are cloned and arrive in order, each in its own microtask. */
import type { Channel } from "../../src/ports/threads.ts";

export function channelPair<A, B>(): readonly [Channel<A, B>, Channel<B, A>] {
  const toLeft = new Pipe<A>();
  const toRight = new Pipe<B>();
  const close = (): void => {
    toLeft.open = toRight.open = false;
  };
  return [
    { post: (message) => toRight.push(message), receive: (handler) => toLeft.receive(handler), close },
    { post: (message) => toLeft.push(message), receive: (handler) => toRight.receive(handler), close },
  ];
}

class Pipe<T> {
  open = true;
  #handler: ((message: T) => void) | undefined;
  readonly #kept: T[] = [];

  push(message: T): void {
    const copy = structuredClone(message);
    if (this.#handler === undefined) this.#kept.push(copy);
    else queueMicrotask(() => this.#deliver(copy));
  }

  receive(handler: (message: T) => void): void {
    this.#handler = handler;
    for (const message of this.#kept) queueMicrotask(() => this.#deliver(message));
  }

  #deliver(message: T): void {
    if (this.open) this.#handler?.(message);
  }
}
