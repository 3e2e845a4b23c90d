/** A process that starts, also again after a crash, is soon a member in the eyes of all. */
import { nodeName } from "../node-set.ts";
import type { Happening } from "../observer.ts";
import { seedsCount } from "../scenario.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

export class Joining implements Checker {
  readonly name = "joining";
  readonly rule = "a node that starts, also again, is soon alive in everybody's view";
  checked = 0;
  readonly #started = new Map<number, number>();

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  happened(node: number, what: Happening): void {
    if (what === "started") this.#started.set(node, this.scene.now());
    else if (what !== "joined") this.#started.delete(node);
  }

  second(): void {
    const { scene } = this;
    const { truth, bounds } = scene;
    for (const [node, started_ms] of this.#started) {
      const long_ms = scene.now() - started_ms;
      // While anybody is disturbed, or was just now, it gets more time; convergence has the last word.
      const calm_ms = Math.min(truth.calm_ms(), scene.now() - truth.mended_ms);
      if (Math.min(long_ms, calm_ms) < bounds.joining_ms || !this.#seedIsWell()) continue;
      this.#started.delete(node);
      this.#look(node, long_ms);
    }
  }

  #look(node: number, long_ms: number): void {
    const { truth, views, bounds, nodes } = this.scene;
    for (const { index } of nodes) {
      if (!truth.wellFor(index, bounds.joining_ms)) continue;
      this.checked++;
      const status = views.status(index, node);
      if (status === "alive" || status === "suspect") continue;
      const what = `${nodeName(index)} holds ${nodeName(node)} for ${status}`;
      this.broken(`${what}, which started ${(long_ms / 1_000).toFixed(1)} s ago`);
      return;
    }
  }

  /** Somebody to join by was there all the time. */
  #seedIsWell(): boolean {
    const { truth, bounds, nodes } = this.scene;
    return nodes.slice(0, seedsCount).some(({ index }) => truth.wellFor(index, bounds.joining_ms));
  }
}
