/**
 * Whoever missed a goodbye learns of it before it is too late: when it accuses the one that has left, those who
 * know better say so. Whole tables come far later.
 */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { nodeIndex, nodeName } from "../node-set.ts";
import type { Happening } from "../observer.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** So many of those who run must know of the goodbye, to tell it. */
const knowLeast = 1 / 2;

export class MissedGoodbyes implements Checker {
  readonly name = "missed-goodbyes";
  readonly rule =
    "who has said goodbye is declared failed by nobody who is well, also if the goodbye was missed";
  checked = 0;
  /** Nodes that said goodbye undisturbed and have not started again. */
  readonly #left = new Set<number>();
  /** When an observer began to suspect one of them, by observer and subject. */
  readonly #accused = new Map<number, number>();

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  happened(node: number, what: Happening): void {
    if (what === "leaving" && !this.scene.truth.disturbed(node)) this.#left.add(node);
    else if (what !== "left") this.#left.delete(node);
  }

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member") return;
    const subject = nodeIndex(report.member.id);
    if (!this.#left.has(subject)) return;
    const key = observer * this.scene.nodes.length + subject;
    if (report.event === "suspect") this.#accused.set(key, this.scene.now());
    const since_ms = this.#accused.get(key);
    if (report.event !== "failed" || since_ms === undefined) return;
    if (!this.#isWell(observer, this.scene.now() - since_ms) || !this.#isKnown(subject)) return;
    this.broken(
      `${nodeName(observer)} declares ${nodeName(subject)} failed, which has left, as others know: ${report.reason}`,
    );
  }

  second(): void {
    const { bounds, nodes } = this.scene;
    for (const _ of this.#left)
      for (const { index } of nodes) if (this.#isWell(index, bounds.grace_ms)) this.checked++;
  }

  /** Nobody was in trouble for so long, and no old accusations came from behind a cut. */
  #isWell(observer: number, duration_ms: number): boolean {
    const { truth } = this.scene;
    const calm_ms = Math.min(truth.calm_ms(), this.scene.now() - truth.mended_ms);
    return calm_ms >= duration_ms && truth.wellFor(observer, duration_ms);
  }

  #isKnown(subject: number): boolean {
    const { truth, views, nodes } = this.scene;
    const up = nodes.filter(({ index }) => truth.up[index] === 1);
    const knowing = up.filter(({ index }) => views.status(index, subject) === "left");
    return knowing.length >= knowLeast * up.length;
  }
}
