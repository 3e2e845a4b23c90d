/**
 * Who stood still and runs on accuses nobody who is well: neither because of a probe that was under way, nor by a
 * suspicion that ran out meanwhile, nor by the streams that the others gave up.
 */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { ownReasons } from "../../swim/updates.ts";
import { nodeIndex, nodeName, parseNodeSet } from "../node-set.ts";
import { geographyOf } from "../regions.ts";
import type { Fault } from "../scenario.ts";
import type { Broken, Checker, Scene } from "../scene.ts";
import { impairing } from "../truth.ts";

export class Woken implements Checker {
  readonly name = "woken";
  readonly rule = "who stood still and runs on accuses nobody who is well";
  checked = 0;
  /** Nodes that stand still and were well before. */
  readonly #asleep = new Set<number>();
  readonly #woken = new Map<number, number>();
  /** Of links and machines, beside what is only sleep. */
  #impairments = 0;
  #impaired_ms = -Infinity;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  faulted(fault: Fault, phase: "begins" | "ends"): void {
    if (fault.kind === "pause") {
      for (const node of this.#nodes(fault.nodes)) this.#slept(node, phase);
      return;
    }
    if (!impairing.has(fault.kind) || this.#isSleep(fault)) return;
    this.#impairments += phase === "begins" ? 1 : -1;
    this.#impaired_ms = this.scene.now();
    this.#asleep.clear();
    this.#woken.clear();
  }

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member" || !this.#applies()) return;
    const isOwn =
      (report.event === "suspect" && report.reason === ownReasons.probed) ||
      (report.event === "failed" && report.reason === ownReasons.silent);
    const woken_ms = this.#woken.get(observer);
    if (!isOwn || woken_ms === undefined || this.scene.truth.disturbed(observer)) return;
    const { truth, bounds } = this.scene;
    const subject = nodeIndex(report.member.id);
    const isThere = report.member.bootEpoch === truth.boot[subject] && truth.present[subject] === 1;
    if (!isThere || !truth.wellFor(subject, bounds.refutation_ms)) return;
    if (this.scene.now() - (truth.slandered_ms[subject] as number) < bounds.grace_ms) return;
    const after_ms = Math.round(this.scene.now() - woken_ms);
    this.broken(
      `${nodeName(observer)} accuses ${nodeName(subject)}, which is well, ${after_ms} ms after it woke: ${report.reason}`,
    );
  }

  second(): void {
    for (const [node, woken_ms] of this.#woken)
      if (this.scene.now() - woken_ms > this.scene.bounds.grace_ms) this.#woken.delete(node);
    if (this.#applies()) this.checked += this.#woken.size;
  }

  #slept(node: number, phase: "begins" | "ends"): void {
    const { truth, bounds } = this.scene;
    if (phase === "begins") {
      this.#woken.delete(node);
      const isCalm = this.#impairments === 0 && this.scene.now() - this.#impaired_ms > bounds.grace_ms;
      if (isCalm && this.#wasWell(node, bounds.grace_ms)) this.#asleep.add(node);
    } else if (this.#asleep.delete(node) && truth.up[node] === 1) this.#woken.set(node, this.scene.now());
  }

  /** Its network may have stood still shortly before it. */
  #wasWell(node: number, duration_ms: number): boolean {
    const { truth } = this.scene;
    return truth.wellFor(node, duration_ms) || (truth.up[node] === 1 && this.#isGoingToSleep(node));
  }

  #isGoingToSleep(node: number): boolean {
    return this.scene.scenario.faults.some((fault) => {
      if (!this.#isSleep(fault) || !this.#isNow(fault)) return false;
      return this.#nodes("nodes" in fault ? fault.nodes : "").includes(node);
    });
  }

  /** The network of machines that stand still goes first, and comes back before they run on. */
  #isSleep(fault: Fault): boolean {
    if (fault.kind !== "cut" || fault.oneWay === true || fault.peers !== undefined) return false;
    return this.scene.scenario.faults.some(
      (pause) =>
        pause.kind === "pause" &&
        pause.nodes === fault.nodes &&
        pause.at_ms >= fault.at_ms &&
        fault.at_ms + (fault.for_ms ?? Infinity) <= pause.at_ms + (pause.for_ms ?? Infinity),
    );
  }

  #isNow({ at_ms, for_ms = Infinity }: Fault): boolean {
    const now = this.scene.now();
    return at_ms <= now && now <= at_ms + for_ms;
  }

  #applies(): boolean {
    const { loss, corruption } = this.scene.scenario.network;
    return loss === 0 && corruption === 0 && this.scene.bounds.probesFit;
  }

  #nodes(text: string): number[] {
    const { scenario } = this.scene;
    return parseNodeSet(text, scenario.nodes, geographyOf(scenario.regions));
  }
}
