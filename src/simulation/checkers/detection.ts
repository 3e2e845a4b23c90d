/**
 * Whoever is gone becomes known as gone, in bound, to every survivor that is well: a crashed process, one
 * that stands still or whose main thread hangs, and one that no packet reaches or leaves.
 */
import { nodeName } from "../node-set.ts";
import { LargerSide } from "../larger-side.ts";
import type { Happening } from "../observer.ts";
import type { Broken, Checker, Scene } from "../scene.ts";
import type { ViewStatus } from "../views.ts";

/** A hanging main thread is noticed after its missing beats. */
const wedge_ms = 3_000;

export class Detection implements Checker {
  readonly name = "detection";
  readonly rule = "every crash, hang and isolation is known to all connected survivors in bound";
  checked = 0;
  /** Nodes that are gone, and since when. */
  readonly #crashed = new Map<number, number>();
  readonly #side: LargerSide;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {
    this.#side = new LargerSide(scene.truth, scene.links, () => scene.now());
  }

  happened(node: number, what: Happening): void {
    if (what === "crashed") this.#crashed.set(node, this.scene.now());
    else if (what !== "removed") this.#crashed.delete(node);
    // Its new life is unknown to those whom it does not reach.
    if (what === "started") this.#side.outsideSince_ms[node] = Number.NaN;
  }

  second(): void {
    const { truth, nodes } = this.scene;
    this.#side.look();
    for (const [subject, since_ms] of this.#crashed) this.#look(subject, since_ms, "it crashed");
    for (const { index } of nodes) {
      if (truth.up[index] === 0) continue;
      const mute_ms = truth.muteSince_ms[index] as number;
      if (mute_ms >= 0)
        this.#look(index, Math.max(mute_ms, truth.joined_ms[index] as number) + wedge_ms, "it hangs");
      this.#lookAtSplit(index);
    }
  }

  /** Whoever comes out from behind a cut may have heard of it there until now, and say so in good faith. */
  #lookAtSplit(subject: number): void {
    const { truth, views, bounds, nodes } = this.scene;
    const { insideSince_ms, outsideSince_ms } = this.#side;
    const [now, bound_ms] = [this.scene.now(), bounds.detection_ms];
    const gone_ms = now - Math.max(outsideSince_ms[subject] as number, truth.mended_ms);
    if (!(gone_ms >= bound_ms)) return;
    for (const { index } of nodes) {
      if (!(now - (insideSince_ms[index] as number) >= bound_ms) || !truth.soundFor(index, bound_ms))
        continue;
      this.checked++;
      if (this.#isGone(views.status(index, subject))) continue;
      this.#say(index, subject, gone_ms, "it was cut off");
      return;
    }
  }

  #look(subject: number, since_ms: number, why: string): void {
    const { truth, views, bounds, nodes } = this.scene;
    const gone_ms = this.scene.now() - since_ms;
    if (gone_ms < bounds.detection_ms) return;
    for (const { index } of nodes) {
      // Whoever was not there or not well for the whole time gets as long from then on.
      if (index === subject || !truth.wellFor(index, bounds.detection_ms)) continue;
      this.checked++;
      if (this.#isGone(views.status(index, subject))) continue;
      this.#say(index, subject, gone_ms, why);
      return;
    }
    if (this.#crashed.get(subject) === since_ms) this.#crashed.delete(subject);
  }

  #isGone(status: ViewStatus): boolean {
    return status !== "alive" && status !== "suspect";
  }

  #say(observer: number, subject: number, gone_ms: number, why: string): void {
    const after = `${(gone_ms / 1_000).toFixed(1)} s after ${why}`;
    const status = this.scene.views.status(observer, subject);
    this.broken(`${nodeName(observer)} holds ${nodeName(subject)} for ${status} ${after}`);
  }
}
