/** Where nothing is lost and nobody is sick, nobody who is there is even suspected: helpers bridge single cuts. */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { nodeIndex, nodeName } from "../node-set.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

export class FalseSuspicion implements Checker {
  readonly name = "false-suspicion";
  readonly rule =
    "without loss and sick members nobody is suspected without reason, also across a partial cut";
  checked = 0;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member" || report.event !== "suspect" || !this.#applies()) return;
    const { truth, bounds } = this.scene;
    const subject = nodeIndex(report.member.id);
    if (report.member.bootEpoch !== truth.boot[subject] || truth.present[subject] === 0) return;
    if (!truth.wellFor(observer, bounds.grace_ms) || !truth.wellFor(subject, bounds.grace_ms)) return;
    // Whose word is false nobody can know before the accused has answered: no suspicion of it may last.
    if (this.scene.now() - (truth.slandered_ms[subject] as number) < bounds.refutation_ms) return;
    this.broken(`${nodeName(observer)} suspects ${nodeName(subject)}, which is well: ${report.reason}`);
  }

  second(): void {
    if (this.#applies()) this.checked++;
  }

  #applies(): boolean {
    const { truth, bounds, scenario } = this.scene;
    const { loss, corruption } = scenario.network;
    return loss === 0 && corruption === 0 && bounds.probesFit && truth.calm_ms() > bounds.grace_ms;
  }
}
