/**
 * Nobody who is well and connected is declared failed by anybody who is well and connected: also not by the
 * word of a sick member, and not when it was accused with reason and is back, for then it refutes.
 */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { nodeIndex, nodeName } from "../node-set.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** Above this loss a false failure is bad luck, not a wrong rule. */
const lossMost = 0.05;

export class FalseFailure implements Checker {
  readonly name = "false-failure";
  readonly rule = "no healthy, connected member is declared failed by another, at up to 5 % loss";
  checked = 0;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member" || report.event !== "failed") return;
    const { truth, bounds, scenario } = this.scene;
    if (scenario.network.loss > lossMost) return;
    const subject = nodeIndex(report.member.id);
    // An old life of it may well be failed after a restart.
    if (report.member.bootEpoch !== truth.boot[subject] || truth.present[subject] === 0) return;
    // Without loss the last call is heard and answered: no accusation of a disturbance outlives it for long.
    const observer_ms = scenario.network.loss === 0 ? bounds.refutation_ms : bounds.grace_ms;
    if (!truth.wellFor(observer, observer_ms) || !truth.wellFor(subject, bounds.refutation_ms)) return;
    this.broken(
      `${nodeName(observer)} declares ${nodeName(subject)} failed, which is well: ${report.reason}`,
    );
  }

  second(): void {
    for (const { index } of this.scene.nodes)
      if (this.scene.truth.wellFor(index, this.scene.bounds.grace_ms)) this.checked++;
  }
}
