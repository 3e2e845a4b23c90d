/** Left alone, all agree on who is there and what they host: after crashes, joins, cuts and their healing. */
import { nodeName } from "../node-set.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

export class Convergence implements Checker {
  readonly name = "convergence";
  readonly rule = "views and directories agree in bound after quiet and after healing, with no outside help";
  checked = 0;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  second(): void {
    const { scene } = this;
    if (scene.truth.quiet_ms() < scene.bounds.convergence_ms) return;
    this.checked++;
    if (scene.agreedSince_ms() !== null) return;
    this.broken(
      `after ${Math.round(scene.truth.quiet_ms() / 1_000)} s without any disturbance: ${this.#disagreement()}`,
    );
  }

  #disagreement(): string {
    const { views, truth, nodes } = this.scene;
    for (const subject of nodes) {
      if (views.wrongAbout(subject.index) === 0) continue;
      const observer = nodes.find(({ index }) => {
        const status = views.status(index, subject.index);
        return (
          truth.up[index] === 1 &&
          (status === "alive" || status === "suspect") !== (truth.present[subject.index] === 1)
        );
      });
      if (!observer) continue;
      const really = truth.present[subject.index] === 1 ? "there" : "gone";
      return (
        `${nodeName(observer.index)} holds ${subject.id} for ${views.status(observer.index, subject.index)}, which is ` +
        `${really} (${views.wrong} wrong cells in all)`
      );
    }
    return "members agree, agent directories do not";
  }
}
