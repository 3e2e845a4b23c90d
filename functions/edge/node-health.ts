/**
 * Which configured node to use: the first ready one after a turning start, by an answer that is a few seconds old at
 * most. Those not known to be ready are asked all at once, and the first that is ready is taken: nodes that hang hold
 * nobody up. Each request asks for itself, since not every runtime lets one wait for what another began.
 */
import type { Clock } from "../../src/ports/clock.ts";
import { getJson } from "./upstream.ts";

const ready_ms = 5_000;
/** Longer: to ask one that hangs takes its time, and a connection. */
const notReady_ms = 15_000;
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
    return (await this.#firstReady(turned)) ?? (turned[0] as string);
  }

  /** It is asked anew before it is used again. */
  failed(node: string): void {
    this.#seen.delete(node);
  }

  /** Another ready node, or the same again (a kept connection that went stale is the usual failure). */
  async another(failed: string, nodes: readonly string[]): Promise<string> {
    return (await this.#firstReady(nodes.filter((node) => node !== failed))) ?? failed;
  }

  async #firstReady(nodes: readonly string[]): Promise<string | undefined> {
    const now_ms = this.clock.now_ms();
    const unknown: string[] = [];
    for (const node of nodes) {
      const seen = this.#seen.get(node);
      const known = seen !== undefined && now_ms - seen.at_ms < (seen.ready ? ready_ms : notReady_ms);
      if (!known) unknown.push(node);
      else if (seen.ready) return node;
    }
    // Some runtimes ask only a few at a time: those that were ready go first.
    unknown.sort(
      (a, b) => Number(this.#seen.get(b)?.ready ?? false) - Number(this.#seen.get(a)?.ready ?? false),
    );
    return await Promise.any(unknown.map((node) => this.#readyOrNever(node))).catch(() => undefined);
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
