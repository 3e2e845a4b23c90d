/** Which configured node to use: the first ready one after a turning start, by an answer that is a few seconds old at most. */
import type { Clock } from "../../src/ports/clock.ts";
import { getJson } from "./upstream.ts";

const fresh_ms = 5_000;
const check_ms_max = 1_500;
const health_bytes_max = 64 * 1024;

export class NodeHealth {
  readonly #clock: Clock;
  readonly #seen = new Map<string, { readonly ready: boolean; readonly at_ms: number }>();
  #turn = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * The node to use and the one to try after it: another ready one, or the same again (a kept connection
   * that went stale is the usual failure). When none is ready, the next two as a last resort.
   */
  async choose(nodes: readonly string[]): Promise<readonly [string, string]> {
    this.#turn = (this.#turn + 1) % nodes.length;
    const turned = [...nodes.slice(this.#turn), ...nodes.slice(0, this.#turn)];
    const ready: string[] = [];
    for (const node of turned) {
      if (await this.#ready(node)) ready.push(node);
      if (ready.length === 2) break;
    }
    const [first = turned[0] as string, second] = ready;
    return [first, second ?? (ready.length === 1 ? first : (turned[1] ?? first))];
  }

  /** It is asked anew before it is used again. */
  failed(node: string): void {
    this.#seen.delete(node);
  }

  async #ready(node: string): Promise<boolean> {
    const seen = this.#seen.get(node);
    if (seen !== undefined && this.#clock.now_ms() - seen.at_ms < fresh_ms) return seen.ready;
    const ready = await getJson(`${node}/readyz`, { timeout_ms: check_ms_max, limit_bytes: health_bytes_max })
      .then(({ status }) => status === 200)
      .catch(() => false);
    this.#seen.set(node, { ready, at_ms: this.#clock.now_ms() });
    return ready;
  }
}
