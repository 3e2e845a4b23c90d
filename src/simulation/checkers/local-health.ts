/**
 * A node that is well knows it: the death of another does not make it doubt itself. Helpers' nacks say so;
 * without them its probes slow down, and with them detection everywhere.
 */
import { nodeName } from "../node-set.ts";
import type { Happening } from "../observer.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** A failed probe costs one point; the next good one gives it back. */
const highest = 2;
/** More deaths at once may well mean that something is wrong here. */
const deathsMost = 1;

export class LocalHealth implements Checker {
  readonly name = "local-health";
  readonly rule =
    "a well node in a well network does not doubt itself because another died, and not for ever";
  checked = 0;
  #deaths: number[] = [];

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  happened(_node: number, what: Happening): void {
    if (what === "crashed" || what === "left") this.#deaths.push(this.scene.now());
  }

  second(): void {
    const { scene } = this;
    const { truth, bounds, scenario } = scene;
    const { loss, corruption } = scenario.network;
    const memory_ms = 2 * bounds.detection_ms;
    this.#deaths = this.#deaths.filter((at_ms) => scene.now() - at_ms < memory_ms);
    if (loss > 0 || corruption > 0 || truth.ongoing > 0 || this.#deaths.length > deathsMost) return;
    // Long after the last join, goodbye or fault there is nothing left to be cautious about.
    const isQuiet = truth.quiet_ms() > 3 * bounds.grace_ms;
    for (const { index } of scene.nodes) {
      if (!truth.wellFor(index, 3 * bounds.grace_ms)) continue;
      this.checked++;
      const score = scene.stats(index)?.localHealth ?? 0;
      if (score <= (isQuiet ? 0 : highest)) continue;
      this.broken(`${nodeName(index)} is well, and its local health is ${score} of 7 (0 is well)`);
      return;
    }
  }
}
