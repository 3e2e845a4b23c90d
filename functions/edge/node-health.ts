/**
 * Which configured node to use: the first ready one after a turning start, by an answer that is a few seconds old at
 * most. Those not known to be ready are asked all at once, and the first that is ready is taken: nodes that hang hold
 * nobody up. Each request asks for itself, since not every runtime lets one wait for what another began.
 */
import type { Clock } from "../../src/ports/clock.ts";
import { getJson } from "./upstream.ts";

const ready_ms = 5_000;
const check_ms_max = 1_500;
const health_bytes_max = 64 * 1024;

/** Whether the node of that origin is ready; never rejects. */
export type AskHealth = (node: string) => Promise<boolean>;

export class NodeHealth {
  readonly #seen = new Map<string, { readonly ready: boolean; readonly at_ms: number }>();
  #turn = 0;

  constructor(
    private readonly clock: Clock,
    private readonly ask: AskHealth = askHealth,
  ) {}

  /** A ready node; when none is, any as a last resort. */
  async choose(nodes: readonly string[]): Promise<string> {
    this.#turn = (this.#turn + 1) % nodes.length;
    const turned = [...nodes.slice(this.#turn), ...nodes.slice(0, this.#turn)];
    return this.#known(turned) ?? (await this.#firstReady(turned)) ?? (turned[0] as string);
  }

  /** It is asked anew before it is used again. */
  failed(node: string): void {
    this.#seen.delete(node);
  }

  /**
   * Where to try again: another ready node; the same if it alone is ready (a kept connection that went stale is the
   * usual failure); and when none is, another as a last resort.
   */
  async another(failed: string, nodes: readonly string[]): Promise<string> {
    const others = nodes.filter((node) => node !== failed);
    return this.#known(others) ?? (await this.#firstReady([...others, failed])) ?? others[0] ?? failed;
  }

  /** The first that said so lately. */
  #known(nodes: readonly string[]): string | undefined {
    const now_ms = this.clock.now_ms();
    return nodes.find((node) => {
      const seen = this.#seen.get(node);
      return seen?.ready === true && now_ms - seen.at_ms < ready_ms;
    });
  }

  /** All are asked at once. Some runtimes ask only a few at a time: those that were ready go first. */
  async #firstReady(nodes: readonly string[]): Promise<string | undefined> {
    const wasReady = (node: string): number => Number(this.#seen.get(node)?.ready ?? false);
    const inOrder = nodes.toSorted((a, b) => wasReady(b) - wasReady(a));
    return await Promise.any(inOrder.map((node) => this.#readyOrNever(node))).catch(() => undefined);
  }

  async #readyOrNever(node: string): Promise<string> {
    const ready = await this.ask(node);
    this.#seen.set(node, { ready, at_ms: this.clock.now_ms() });
    if (!ready) throw new Error(`${node} is not ready`);
    return node;
  }
}

function askHealth(node: string): Promise<boolean> {
  return getJson(`${node}/readyz`, { timeout_ms: check_ms_max, limit_bytes: health_bytes_max })
    .then(({ status }) => status === 200)
    .catch(() => false);
}
