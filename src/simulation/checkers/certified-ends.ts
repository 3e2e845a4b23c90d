/** What a launcher certifies is known at once: nobody waits for a suspicion of a process that has ended for certain. */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { nodeIndex, nodeName, parseNodeSet } from "../node-set.ts";
import type { Happening } from "../observer.ts";
import { geographyOf } from "../regions.ts";
import type { Fault } from "../scenario.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** News misses some, who find out by themselves. */
const lateMost = 1 / 2;

export class CertifiedEnds implements Checker {
  readonly name = "certified-ends";
  readonly rule = "an end that its launcher certifies is known to most well nodes as soon as news goes round";
  checked = 0;
  readonly #certified = new Map<number, number>();
  /** When an observer last gave a node up, by observer and subject. */
  readonly #givenUp = new Map<number, number>();

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  /** Before it happens: who is well then knows whom to tell, and is heard. */
  faulted(fault: Fault, phase: "begins" | "ends"): void {
    if (fault.kind !== "crash" || fault.certified !== true || fault.silent === true || phase === "ends")
      return;
    const { truth, bounds, scenario } = this.scene;
    for (const node of parseNodeSet(fault.nodes, scenario.nodes, geographyOf(scenario.regions)))
      if (truth.wellFor(node, bounds.certified_ms)) this.#certified.set(node, this.scene.now());
  }

  happened(node: number, what: Happening): void {
    if (what !== "started") return;
    this.#certified.delete(node);
    for (const { index } of this.scene.nodes) this.#givenUp.delete(this.#cell(index, node));
  }

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member" || report.event !== "failed") return;
    const subject = nodeIndex(report.member.id);
    if (this.#certified.has(subject)) this.#givenUp.set(this.#cell(observer, subject), this.scene.now());
  }

  second(): void {
    const { truth, nodes, bounds } = this.scene;
    for (const [subject, at_ms] of this.#certified) {
      if (this.scene.now() - at_ms < bounds.certified_ms) continue;
      this.#certified.delete(subject);
      // Since then and shortly before, all whom it may have been told to were there to hear it.
      const needed_ms = 2 * bounds.certified_ms;
      if (Math.min(truth.calm_ms(), this.scene.now() - truth.mended_ms) < needed_ms) continue;
      const well = nodes.filter(({ index }) => index !== subject && truth.wellFor(index, needed_ms));
      const late = well.filter(({ index }) => !this.#knewInTime(index, subject, at_ms + bounds.certified_ms));
      this.checked += well.length;
      if (late.length <= lateMost * well.length) continue;
      const names = late.map(({ index }) => nodeName(index)).join(", ");
      this.broken(
        `${names} did not know of the end of ${nodeName(subject)} ${Math.round(bounds.certified_ms)} ms after it was certified`,
      );
      return;
    }
  }

  /** Who did not think it present anyway had nothing to learn. */
  #knewInTime(observer: number, subject: number, until_ms: number): boolean {
    const givenUp_ms = this.#givenUp.get(this.#cell(observer, subject));
    if (givenUp_ms !== undefined) return givenUp_ms <= until_ms;
    const status = this.scene.views.status(observer, subject);
    return status !== "alive" && status !== "suspect";
  }

  #cell(observer: number, subject: number): number {
    return observer * this.scene.nodes.length + subject;
  }
}
