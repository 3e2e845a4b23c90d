/**
 * How often a node was lost lately: one that was lost before, and came back, is waited for when it is lost again, longer each
 * time, and gets its part of the agents back once (rebalancing.ts). Losses are
 * settings of the cluster, so that whoever leads next knows of them; times are leaders' wall clocks.
 */
import * as v from "valibot";
import { namePattern, type NodeId } from "../../base/ids.ts";
import { parsedJson } from "../../base/parsed-json.ts";
import type { SettingStore } from "../../control/setting-store.ts";
import type { Clock } from "../../ports/clock.ts";

const prefix = "failover.lost.";
const first_ms = 5_000;
const most_ms = 120_000;
/** Without a loss for so long, a node is as good as any. */
const forgiven_ms = 600_000;
/** Nodes whose losses are kept; settings have other uses, too. */
const nodesLimit = 200;

const lossSchema = v.strictObject({
  count: v.pipe(v.number(), v.integer(), v.minValue(1)),
  at_ms: v.pipe(v.number(), v.minValue(0)),
  /** What was lost last. */
  life: v.pipe(v.string(), v.maxLength(64)),
});
type Losses = v.InferOutput<typeof lossSchema>;

export class FlapHold {
  readonly #store: Pick<SettingStore, "put" | "delete" | "list">;
  readonly #clock: Pick<Clock, "wall_ms">;
  #losses: ReadonlyMap<NodeId, Losses> = new Map();

  constructor(store: Pick<SettingStore, "put" | "delete" | "list">, clock: Pick<Clock, "wall_ms">) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Learns what leaders before wrote down. Throws as the control client. */
  async read(): Promise<void> {
    const losses = new Map<NodeId, Losses>();
    for (const { name, value } of await this.#store.list("local")) {
      const node = name.slice(prefix.length);
      if (!name.startsWith(prefix) || !namePattern.test(node)) continue;
      const read = v.safeParse(lossSchema, parsedJson(value));
      if (read.success) losses.set(node as NodeId, read.output);
    }
    this.#losses = losses;
  }

  /**
   * Agents of the node are given away. `life`: its boot epoch and incarnation, which rise before it is alive again.
   * Throws as the control client: then only that loss is forgotten.
   */
  async lost(node: NodeId, life: string): Promise<void> {
    await this.read();
    const at_ms = this.#clock.wall_ms();
    const known = this.recent(node);
    if (known?.life === life) return;
    const count = (known?.count ?? 0) + 1;
    for (const each of this.#losses.keys())
      if (this.recent(each) === undefined) await this.#store.delete(prefix + each);
    if (!this.#losses.has(node) && this.#losses.size >= nodesLimit) return;
    await this.#store.put(prefix + node, JSON.stringify({ count, at_ms, life }));
    await this.read();
  }

  /** 0 for the first loss in a while. By what was read; a loss that another leader has begun with is the same one. */
  hold_ms(node: NodeId, life: string): number {
    const known = this.recent(node);
    const before = known === undefined ? 0 : known.count - (known.life === life ? 1 : 0);
    return before === 0 ? 0 : Math.min(most_ms, first_ms * 2 ** Math.min(before - 1, 10));
  }

  /** By what was read: how often its agents were given away lately, and when last (Unix). Clocks of two leaders may differ: a time that is to come is as recent as one that is past. */
  recent(
    node: NodeId,
  ): { readonly count: number; readonly at_ms: number; readonly life: string } | undefined {
    const known = this.#losses.get(node);
    if (known === undefined) return undefined;
    return Math.abs(this.#clock.wall_ms() - known.at_ms) <= forgiven_ms ? known : undefined;
  }
}
