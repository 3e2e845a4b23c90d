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

  /** Ready nodes first, then the others as a last resort; at most two are needed. */
  async order(nodes: readonly string[]): Promise<readonly string[]> {
    this.#turn = (this.#turn + 1) % nodes.length;
    const turned = [...nodes.slice(this.#turn), ...nodes.slice(0, this.#turn)];
    const ready: string[] = [];
    for (const node of turned) {
      if (await this.#ready(node)) ready.push(node);
      if (ready.length === 2) return ready;
    }
    return [...ready, ...turned.filter((node) => !ready.includes(node))];
  }

  failed(node: string): void {
    this.#seen.set(node, { ready: false, at_ms: this.#clock.now_ms() });
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
