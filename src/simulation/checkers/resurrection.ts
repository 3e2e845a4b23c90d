/**
 * Nobody returns from the dead by old news: after failed, left or forgotten only a newer incarnation
 * counts and no life that an operator removed, and what all know to be dead is not taught to a newcomer as alive.
 */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { nodeIndex, nodeName } from "../node-set.ts";
import type { Happening } from "../observer.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

export class Resurrection implements Checker {
  readonly name = "resurrection";
  readonly rule = "no dead member is alive again without a newer incarnation";
  checked = 0;
  /** By observer and subject: the incarnation at which it was dead last; −1 for never. */
  readonly #boots: Float64Array;
  readonly #counters: Float64Array;
  /** And the boot epoch that it forgot by an operator's word. */
  readonly #removed: Float64Array;
  /** Since when all know a node to be gone. */
  readonly #goneSince = new Map<number, number>();

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {
    const cells = scene.nodes.length ** 2;
    this.#boots = new Float64Array(cells).fill(-1);
    this.#counters = new Float64Array(cells);
    this.#removed = new Float64Array(cells).fill(-1);
  }

  /** A new process has no memory of the dead. */
  happened(node: number, what: Happening): void {
    if (what !== "started") return;
    this.#goneSince.delete(node);
    const size = this.scene.nodes.length;
    for (const known of [this.#boots, this.#removed]) known.fill(-1, node * size, (node + 1) * size);
  }

  reported(node: number, report: GossipReport): void {
    if (report.kind !== "member" && report.kind !== "forgotten") return;
    const { id, status, bootEpoch, incarnation } = report.member;
    const at = node * this.scene.nodes.length + nodeIndex(id);
    if (report.kind === "forgotten" || status === "failed" || status === "left") {
      this.#boots[at] = bootEpoch;
      this.#counters[at] = incarnation;
      const isRemoved =
        report.kind === "forgotten" && this.scene.truth.removedBoot[nodeIndex(id)] === bootEpoch;
      if (isRemoved) this.#removed[at] = bootEpoch;
      return;
    }
    const boot = this.#boots[at] as number;
    this.checked++;
    const gone_ms = this.#goneSince.get(nodeIndex(id)) ?? Infinity;
    if (
      this.scene.now() - gone_ms > this.scene.bounds.grace_ms &&
      this.scene.truth.present[nodeIndex(id)] === 0
    ) {
      this.broken(`${nodeName(node)} takes ${id} for ${status}, which all others have long known to be gone`);
      return;
    }
    if (boot < 0 || bootEpoch > boot) return;
    if (this.#removed[at] === bootEpoch) {
      this.broken(`${nodeName(node)} takes ${id} for ${status}, of a life that an operator removed there`);
      return;
    }
    const counter = this.#counters[at] as number;
    if (bootEpoch === boot && incarnation > counter) return;
    this.broken(
      `${nodeName(node)} holds ${id} for ${status} at boot ${bootEpoch}, incarnation ${incarnation}, ` +
        `after it was dead there at ${boot}, ${counter}`,
    );
  }

  second(): void {
    const { truth, views, nodes } = this.scene;
    for (const { index } of nodes) {
      const gone = truth.present[index] === 0 && truth.boot[index] !== -1 && views.wrongAbout(index) === 0;
      if (!gone) this.#goneSince.delete(index);
      else if (!this.#goneSince.has(index)) this.#goneSince.set(index, this.scene.now());
    }
  }
}
