/** Every crash becomes known, in bound, to every survivor that is well and connected. */
import { nodeName } from "../node-set.ts";
import type { Happening } from "../observer.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

export class Detection implements Checker {
  readonly name = "detection";
  readonly rule = "every crash is known to all connected survivors in bound";
  checked = 0;
  /** Crashed nodes and when. */
  readonly #crashed = new Map<number, number>();

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  happened(node: number, what: Happening): void {
    if (what === "crashed") this.#crashed.set(node, this.scene.now());
    else if (what !== "removed") this.#crashed.delete(node);
  }

  second(): void {
    const { scene } = this;
    const { truth, views, bounds } = scene;
    for (const [subject, crashed_ms] of this.#crashed) {
      if (views.wrongAbout(subject) === 0) {
        if (scene.now() - crashed_ms > bounds.detection_ms) this.#crashed.delete(subject);
        continue;
      }
      if (scene.now() - crashed_ms < bounds.detection_ms) continue;
      for (const { index } of scene.nodes) {
        // Whoever was not there or not well for the whole time gets as long from then on.
        if (!truth.wellFor(index, bounds.detection_ms)) continue;
        this.checked++;
        const status = views.status(index, subject);
        if (status !== "alive" && status !== "suspect") continue;
        const after_s = (scene.now() - crashed_ms) / 1_000;
        this.broken(
          `${nodeName(index)} holds ${nodeName(subject)} for ${status} ${after_s.toFixed(1)} s after it crashed`,
        );
        return;
      }
    }
  }
}
