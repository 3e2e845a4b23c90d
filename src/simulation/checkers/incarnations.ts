/** Only the owner raises its incarnation: nobody holds one that its node has not reached. */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { nodeIndex, nodeName } from "../node-set.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

interface Row {
  readonly id: string;
  readonly bootEpoch: number;
  readonly incarnation: number;
}

export class Incarnations implements Checker {
  readonly name = "incarnations";
  readonly rule = "only its owner raises a node's incarnation";
  checked = 0;
  #next = 0;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  reported(node: number, report: GossipReport): void {
    if (report.kind === "member" || report.kind === "forgotten") this.#look(node, report.member);
  }

  /** Whole tables in turn, one a second: rows may also change without a report. */
  second(): void {
    this.#next = (this.#next + 1) % this.scene.nodes.length;
    for (const member of this.scene.driver(this.#next)?.members() ?? []) this.#look(this.#next, member);
  }

  #look(observer: number, { id, bootEpoch, incarnation }: Row): void {
    const { truth } = this.scene;
    const subject = nodeIndex(id);
    this.checked++;
    const boot = truth.boot[subject] ?? -1;
    if (bootEpoch < boot || (bootEpoch === boot && incarnation <= (truth.counter[subject] as number))) return;
    this.broken(
      `${nodeName(observer)} holds ${id} at boot ${bootEpoch}, incarnation ${incarnation}; ` +
        `${id} itself is at ${boot}, ${truth.counter[subject] ?? 0}`,
    );
  }
}
