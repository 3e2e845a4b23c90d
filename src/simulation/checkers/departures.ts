/** Goodbyes are believed as such, removed members are forgotten, and the left are reaped when it is time. */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { nodeIndex, nodeName } from "../node-set.ts";
import type { Happening } from "../observer.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** Sweeps happen once a second; the clocks of nodes may drift. */
const reapSlack_ms = 30_000;

export class Departures implements Checker {
  readonly name = "departures";
  readonly rule = "leaving is known as leaving, the removed are forgotten, the left are reaped";
  checked = 0;
  readonly #leaving = new Map<number, number>();
  readonly #removed = new Map<number, number>();
  /** Words that were given while something was wrong: known when all has been quiet for long. */
  readonly #removedMeanwhile = new Map<number, number>();
  /** Since when an observer holds a subject for left. */
  readonly #leftSince = new Map<number, number>();

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  happened(node: number, what: Happening): void {
    // Who is cut off or hangs while it leaves reaches nobody.
    const { truth, bounds } = this.scene;
    // Only those that ended now may have heard it.
    if (what === "crashed" || what === "left") this.#removedMeanwhile.clear();
    if (what === "expelled") return;
    if (what === "leaving" && !truth.disturbed(node) && truth.calm_ms() > bounds.grace_ms) {
      this.#leaving.set(node, this.scene.now());
    } else if (what === "crashed") this.#leaving.delete(node);
    // A word that was given to a disturbed cluster may reach only a part of it at first, or be of old knowledge.
    else if (what === "removed")
      (this.#isCalm() ? this.#removed : this.#removedMeanwhile).set(node, this.scene.now());
    else if (what === "started") {
      this.#leaving.delete(node);
      this.#removed.delete(node);
      this.#removedMeanwhile.delete(node);
      const size = this.scene.nodes.length;
      for (let subject = 0; subject < size; subject++) this.#leftSince.delete(node * size + subject);
    }
  }

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member" && report.kind !== "forgotten") return;
    const key = observer * this.scene.nodes.length + nodeIndex(report.member.id);
    const left = report.kind === "member" && report.member.status === "left";
    if (!left) this.#leftSince.delete(key);
    else if (!this.#leftSince.has(key)) this.#leftSince.set(key, this.scene.now());
  }

  second(): void {
    const { news_ms } = this.scene.bounds;
    this.#expect(this.#leaving, news_ms, ["left", "unknown"], "after it said goodbye");
    this.#expect(this.#removed, news_ms, ["unknown"], "after an operator removed it");
    const { truth, bounds } = this.scene;
    if (Math.min(truth.quiet_ms(), this.scene.now() - truth.mended_ms) > bounds.tables_ms)
      this.#expect(
        this.#removedMeanwhile,
        0,
        ["unknown"],
        "after all was well again, which an operator removed",
      );
    this.#lookAtMissers();
    const limit_ms = this.scene.bounds.timing.reapLeft_ms + reapSlack_ms;
    for (const [key, since_ms] of this.#leftSince) {
      const size = this.scene.nodes.length;
      const observer = Math.floor(key / size);
      if (this.scene.now() - since_ms < limit_ms || !this.scene.truth.wellFor(observer, limit_ms)) continue;
      this.checked++;
      this.broken(
        `${nodeName(observer)} still keeps ${nodeName(key % size)}, which left ${Math.round(limit_ms / 1_000)} s ago`,
      );
      return;
    }
  }

  /** Where all others know of a removal, whoever missed it hears of it with the next table that it asks for. */
  #lookAtMissers(): void {
    const { truth, views, nodes, bounds } = this.scene;
    if (Math.min(truth.quiet_ms(), this.scene.now() - truth.mended_ms) <= bounds.table_ms) return;
    for (const subject of [...this.#removed.keys(), ...this.#removedMeanwhile.keys()]) {
      const missers = nodes.filter(
        ({ index }) => truth.up[index] === 1 && views.status(index, subject) !== "unknown",
      );
      const [misser] = missers;
      this.checked++;
      if (missers.length !== 1 || !misser || !truth.wellFor(misser.index, bounds.table_ms)) continue;
      const since_s = Math.round(bounds.table_ms / 1_000);
      this.broken(
        `${misser.id} holds ${nodeName(subject)} for ${views.status(misser.index, subject)}, ${since_s} s after all others knew of its removal`,
      );
      return;
    }
  }

  /** Accusations and refutations of the last disturbance have gone round. */
  #isCalm(): boolean {
    const { truth, bounds } = this.scene;
    return Math.min(truth.calm_ms(), this.scene.now() - truth.mended_ms) > bounds.grace_ms;
  }

  #expect(cases: Map<number, number>, bound_ms: number, good: readonly string[], when: string): void {
    const { truth, views, nodes, bounds } = this.scene;
    for (const [subject, at_ms] of cases) {
      if (this.scene.now() - at_ms < bound_ms) continue;
      cases.delete(subject);
      // A cut right after the word was given may have swallowed it.
      if (Math.min(truth.calm_ms(), this.scene.now() - truth.mended_ms) < bound_ms) continue;
      for (const { index } of nodes) {
        if (index === subject || !truth.wellFor(index, bound_ms + bounds.grace_ms)) continue;
        this.checked++;
        const status = views.status(index, subject);
        if (good.includes(status)) continue;
        this.broken(
          `${nodeName(index)} holds ${nodeName(subject)} for ${status} ${Math.round(bound_ms / 1_000)} s ${when}`,
        );
        return;
      }
    }
  }
}
