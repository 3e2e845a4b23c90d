/** Nobody returns from the dead by old news: after failed, left or forgotten only a newer incarnation counts. */
import type { GossipReport } from "../../cluster/gossip-reports.ts";
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

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {
    const cells = scene.nodes.length ** 2;
    this.#boots = new Float64Array(cells).fill(-1);
    this.#counters = new Float64Array(cells);
  }

  /** A new process has no memory of the dead. */
  happened(node: number, what: Happening): void {
    if (what !== "started") return;
    const size = this.scene.nodes.length;
    this.#boots.fill(-1, node * size, (node + 1) * size);
  }

  reported(node: number, report: GossipReport): void {
    if (report.kind !== "member" && report.kind !== "forgotten") return;
    const { id, status, bootEpoch, incarnation } = report.member;
    const at = node * this.scene.nodes.length + nodeIndex(id);
    if (report.kind === "forgotten" || status === "failed" || status === "left") {
      this.#boots[at] = bootEpoch;
      this.#counters[at] = incarnation;
      return;
    }
    const boot = this.#boots[at] as number;
    this.checked++;
    if (boot < 0 || bootEpoch > boot) return;
    const counter = this.#counters[at] as number;
    if (bootEpoch === boot && incarnation > counter) return;
    this.broken(
      `${nodeName(node)} holds ${id} for ${status} at boot ${bootEpoch}, incarnation ${incarnation}, ` +
        `after it was dead there at ${boot}, ${counter}`,
    );
  }
}
