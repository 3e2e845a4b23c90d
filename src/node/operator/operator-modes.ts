/**
 * What operators have told the whole cluster to do until told otherwise: which nodes are isolated, and how much load is
 * shed. Settings of the control state, read from this node's replica whenever that changes.
 */
import { reasonOf } from "../../base/errors.ts";
import { namePattern, type NodeId } from "../../base/ids.ts";
import type { Consensus } from "../../cluster/consensus/consensus.ts";
import type { SettingStore } from "../../control/setting-store.ts";
import type { Clock, Timer } from "../../ports/clock.ts";

const isolatedPrefix = "operator.isolated.";
const shedName = "operator.shed_percentage";
const again_ms = 1_000;

export interface OperatorModesOptions {
  readonly store: SettingStore;
  readonly consensus: Pick<Consensus, "status" | "onStatus">;
  readonly clock: Clock;
  readonly failed: (what: string, reason: string) => void;
}

export class OperatorModes {
  readonly #options: OperatorModesOptions;
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribe: () => void;
  #isolated: ReadonlySet<NodeId> = new Set();
  #shedPercentage = 0;
  #applied = -1;
  #again: Timer | undefined;

  constructor(options: OperatorModesOptions) {
    this.#options = options;
    this.#unsubscribe = options.consensus.onStatus(() => this.#follow());
    this.#follow();
  }

  get isolated(): ReadonlySet<NodeId> {
    return this.#isolated;
  }

  /** 0 to 100. */
  get shedPercentage(): number {
    return this.#shedPercentage;
  }

  /** Told after anything of it changed. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Throws as the control client. */
  async setIsolated(node: NodeId, isolated: boolean): Promise<void> {
    const name = isolatedPrefix + node;
    await (isolated ? this.#options.store.put(name, "yes") : this.#options.store.delete(name));
    await this.refresh("linearizable");
  }

  /** Throws as the control client. */
  async setShedPercentage(percentage: number): Promise<void> {
    const { store } = this.#options;
    await (percentage === 0 ? store.delete(shedName) : store.put(shedName, String(percentage)));
    await this.refresh("linearizable");
  }

  async refresh(consistency: "linearizable" | "local"): Promise<void> {
    const settings = await this.#options.store.list(consistency);
    const isolated = settings
      .filter(({ name }) => name.startsWith(isolatedPrefix))
      .map(({ name }) => name.slice(isolatedPrefix.length))
      .filter((node): node is NodeId => namePattern.test(node));
    const shed = Number(settings.find(({ name }) => name === shedName)?.value ?? 0);
    const percentage = Number.isInteger(shed) && shed >= 0 && shed <= 100 ? shed : 0;
    const isSame =
      percentage === this.#shedPercentage &&
      isolated.length === this.#isolated.size &&
      isolated.every((node) => this.#isolated.has(node));
    if (isSame) return;
    this.#isolated = new Set(isolated);
    this.#shedPercentage = percentage;
    for (const listener of this.#listeners) listener();
  }

  close(): void {
    this.#unsubscribe();
    this.#again?.cancel();
  }

  #follow(): void {
    const { consensus, clock, failed } = this.#options;
    const { watched } = consensus.status();
    if (watched === this.#applied) return;
    this.#applied = watched;
    this.refresh("local").catch((error: unknown) => {
      failed("read what operators have set", reasonOf(error));
      this.#applied = -1;
      this.#again?.cancel();
      this.#again = clock.after(again_ms, () => this.#follow());
    });
  }
}
