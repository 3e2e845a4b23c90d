/**
 * Which modules an agent thread was given. Of many agents that come at once with the same module only the first
 * brings it: the others' orders follow it.
 */
import type { PreparedModule } from "../wasm/prepare.ts";

export class GivenModules {
  readonly #given = new Set<string>();
  /** About to be given. */
  readonly #giving = new Map<string, Promise<void>>();

  /** Another thread took the place of the one that had them. */
  clear(): void {
    this.#given.clear();
  }

  /**
   * Calls `send` with null once the thread was given the module, else with what `module` resolves to. `again`: the
   * thread has said that it does not have it.
   */
  async with<T>(
    key: string,
    again: boolean,
    module: () => Promise<PreparedModule>,
    send: (module: PreparedModule | null) => Promise<T>,
  ): Promise<T> {
    while (!again && this.#giving.has(key)) await this.#giving.get(key);
    if (!again && this.#given.has(key)) return await send(null);
    const giving = Promise.withResolvers<void>();
    this.#giving.set(key, giving.promise);
    let answer: Promise<T>;
    try {
      answer = send(await module());
      this.#given.add(key);
    } finally {
      if (this.#giving.get(key) === giving.promise) this.#giving.delete(key);
      giving.resolve();
    }
    return await answer;
  }
}
