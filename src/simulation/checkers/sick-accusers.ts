/**
 * Whoever accuses the well doubts itself, and slows down: of a node that hears nobody, or all too late, come a few
 * accusations, and then ever fewer, not one in each period.
 */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { ownReasons } from "../../swim/updates.ts";
import { nodeIndex, nodeName } from "../node-set.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** In so many probe periods a node accuses so many of the well by its own probes, at most. */
const windowPeriods = 10;
const accusationsMost = 6;
/** Above this loss whose probes fail is chance. */
const lossMost = 0.05;

export class SickAccusers implements Checker {
  readonly name = "sick-accusers";
  readonly rule = "who accuses well members doubts itself, and accuses ever more slowly";
  checked = 0;
  readonly #accused: number[][];

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {
    this.#accused = scene.nodes.map(() => []);
  }

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member" || report.event !== "suspect" || report.reason !== ownReasons.probed) return;
    const { truth, bounds, scenario } = this.scene;
    const subject = nodeIndex(report.member.id);
    if (scenario.network.loss > lossMost || scenario.plain === true) return;
    if (report.member.bootEpoch !== truth.boot[subject] || truth.present[subject] === 0) return;
    if (!truth.wellFor(subject, bounds.grace_ms) || this.#hasWitnesses(observer, subject)) return;
    const now = this.scene.now();
    // A liar's word may come back to it.
    if (now - (truth.slandered_ms[subject] as number) < bounds.grace_ms) return;
    const window_ms = windowPeriods * bounds.timing.probe_ms;
    const recent = (this.#accused[observer] ?? []).filter((at_ms) => now - at_ms < window_ms);
    recent.push(now);
    this.#accused[observer] = recent;
    if (recent.length <= accusationsMost) return;
    this.broken(
      `${nodeName(observer)} accuses ${recent.length} well members within ${(window_ms / 1_000).toFixed(1)} s by its own probes`,
    );
  }

  /** Behind a cut with others, who do not reach the accused either and say so. */
  #hasWitnesses(observer: number, subject: number): boolean {
    const reaches = (other: number): boolean => {
      const { links } = this.scene;
      return links.passes(observer, other) && links.passes(other, observer);
    };
    if (reaches(subject)) return false;
    return this.scene.nodes.some(
      ({ index, life }) => index !== observer && life !== undefined && reaches(index),
    );
  }

  second(): void {
    const { truth, nodes } = this.scene;
    for (const { index } of nodes) if (truth.up[index] === 1 && truth.disturbed(index)) this.checked++;
  }
}
