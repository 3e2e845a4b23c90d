/**
 * Nobody is unheard for ever: who has accused others falsely pays for it with accusations that do not count, and has
 * paid after a while.
 */
import { nodeName } from "../node-set.ts";
import type { Happening } from "../observer.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** A debt is paid by then, in probe periods, one accusation each. */
const paidPeriods = 20;
/** Of many deaths at once everybody tells at once, and some words too many. */
const deathsMost = 1;

export class HeardAccusers implements Checker {
  readonly name = "heard-accusers";
  readonly rule = "in a calm cluster every accusation counts, also of who has erred before";
  checked = 0;
  readonly #refused: Float64Array;
  #deaths: number[] = [];

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {
    this.#refused = new Float64Array(scene.nodes.length);
  }

  happened(_node: number, what: Happening): void {
    if (what === "crashed" || what === "left") this.#deaths.push(this.scene.now());
  }

  second(): void {
    const { scene } = this;
    const { truth, bounds } = scene;
    const memory_ms = 2 * bounds.detection_ms;
    this.#deaths = this.#deaths.filter((at_ms) => scene.now() - at_ms < memory_ms);
    const paid_ms = bounds.grace_ms + paidPeriods * bounds.timing.probe_ms;
    const calm_ms = Math.min(truth.calm_ms(), scene.now() - truth.mended_ms, this.#sinceLie_ms());
    const isCalm = calm_ms > paid_ms && this.#deaths.length <= deathsMost;
    for (const { index } of scene.nodes) {
      const refused = scene.stats(index)?.dropped["too_many_accusations"] ?? 0;
      const isNew = refused > (this.#refused[index] as number);
      this.#refused[index] = refused;
      if (!isCalm || !truth.wellFor(index, paid_ms)) continue;
      this.checked++;
      if (!isNew) continue;
      this.broken(`${nodeName(index)} does not hear an accusation, although nobody erred for long`);
      return;
    }
  }

  #sinceLie_ms(): number {
    return this.scene.now() - Math.max(...this.scene.truth.slandered_ms);
  }
}
