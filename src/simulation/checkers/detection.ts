/**
 * Whoever is gone becomes known as gone, in bound, to every survivor that is well: a crashed process, one
 * that stands still or whose main thread hangs, and one that no packet reaches or leaves.
 */
import { nodeName } from "../node-set.ts";
import type { Happening } from "../observer.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** A hanging main thread is noticed after its missing beats. */
const wedge_ms = 3_000;

export class Detection implements Checker {
  readonly name = "detection";
  readonly rule = "every crash, hang and isolation is known to all connected survivors in bound";
  checked = 0;
  /** Nodes that are gone, and since when. */
  readonly #crashed = new Map<number, number>();
  readonly #isolated = new Map<number, number>();

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  happened(node: number, what: Happening): void {
    if (what === "crashed") this.#crashed.set(node, this.scene.now());
    else if (what !== "removed") this.#crashed.delete(node);
    // Its new life is unknown to those whom it does not reach.
    if (what === "started") this.#isolated.delete(node);
  }

  second(): void {
    const { truth, nodes } = this.scene;
    for (const [subject, since_ms] of this.#crashed) this.#look(subject, since_ms, "it crashed");
    for (const { index } of nodes) {
      if (truth.up[index] === 0) continue;
      const mute_ms = truth.muteSince_ms[index] as number;
      if (mute_ms >= 0)
        this.#look(index, Math.max(mute_ms, truth.joined_ms[index] as number) + wedge_ms, "it hangs");
      this.#lookAtIsolation(index);
    }
  }

  #lookAtIsolation(node: number): void {
    const { truth, nodes, links } = this.scene;
    const reached =
      !truth.cutOff(node) ||
      nodes.some(({ index }) => {
        if (index === node || truth.disturbed(index) || truth.up[index] === 0) return false;
        return links.passes(index, node) && links.passes(node, index);
      });
    if (reached) this.#isolated.delete(node);
    else if (!this.#isolated.has(node)) this.#isolated.set(node, this.scene.now());
    const since_ms = this.#isolated.get(node);
    // Whoever comes out from behind a cut may have heard it there until now, and say so in good faith.
    if (since_ms !== undefined) this.#look(node, Math.max(since_ms, truth.mended_ms), "it was cut off");
  }

  #look(subject: number, since_ms: number, why: string): void {
    const { truth, views, bounds, nodes } = this.scene;
    const gone_ms = this.scene.now() - since_ms;
    if (gone_ms < bounds.detection_ms) return;
    for (const { index } of nodes) {
      // Whoever was not there or not well for the whole time gets as long from then on.
      if (index === subject || !truth.wellFor(index, bounds.detection_ms)) continue;
      this.checked++;
      const status = views.status(index, subject);
      if (status !== "alive" && status !== "suspect") continue;
      const after = `${(gone_ms / 1_000).toFixed(1)} s after ${why}`;
      this.broken(`${nodeName(index)} holds ${nodeName(subject)} for ${status} ${after}`);
      return;
    }
    if (this.#crashed.get(subject) === since_ms) this.#crashed.delete(subject);
  }
}
