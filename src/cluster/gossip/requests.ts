/** Questions of main to the gossip thread that wait for their answer: numbered, bounded, with a deadline. */
import { CaxtonError } from "../../base/errors.ts";
import type { Clock } from "../../ports/clock.ts";

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: CaxtonError) => void;
  /** What to reject with when no answer came. */
  readonly late: CaxtonError;
}

const openLimit = 1_024;

export class GossipRequests<T> {
  readonly #waiting = new Map<number, Waiting<T>>();
  #last = 0;

  constructor(private readonly clock: Clock) {}

  /** `post` sends the question under its number. Rejects with `late` after `timeout_ms`, when there is one. */
  ask(post: (request: number) => void, timeout_ms: number | null, late: CaxtonError): Promise<T> {
    if (this.#waiting.size >= openLimit)
      throw new CaxtonError("too_many_requests", "Too many requests to the gossip thread");
    const request = ++this.#last;
    return new Promise<T>((resolve, reject) => {
      const deadline =
        timeout_ms === null ? null : this.clock.after(timeout_ms, () => this.take(request)?.reject(late));
      const end =
        <A>(then: (value: A) => void) =>
        (value: A): void => {
          deadline?.cancel();
          then(value);
        };
      this.#waiting.set(request, { resolve: end(resolve), reject: end(reject), late });
      post(request);
    });
  }

  /** Whoever waits under this number; nobody any more after it. */
  take(request: number): Waiting<T> | undefined {
    const found = this.#waiting.get(request);
    this.#waiting.delete(request);
    return found;
  }

  rejectAll(error: CaxtonError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
