/** Messages of one turn of the loop in one post: each wakes the other thread and is cloned by itself else. */
export class Gathered<T> {
  #waiting: T[] = [];

  constructor(private readonly post: (messages: readonly T[]) => void) {}

  /** In the order of the calls. Leaves at the end of the turn. */
  add(message: T): void {
    this.#waiting.push(message);
    if (this.#waiting.length === 1) queueMicrotask(() => this.flush());
  }

  /** Now. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const messages = this.#waiting;
    this.#waiting = [];
    this.post(messages);
  }
}
