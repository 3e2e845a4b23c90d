/**
 * Since when all nodes agree with the truth: on who is there (known at every event) and on every agent's
 * place (looked at each second while it is not so yet). A disturbance begins it anew.
 */
import type { Scene } from "./scene.ts";

/** Heads are compared for so many observers a second: all of them in clusters of usual size. */
const observersPerSecond = 128;

export class Agreement {
  since_ms: number | null = null;
  /** When members first agreed after the last disturbance; directories may follow later. */
  membersSince_ms: number | null = null;
  #nextObserver = 0;
  /** Observers in a row whose directories were right. */
  #right = 0;

  constructor(private readonly scene: Pick<Scene, "views" | "truth" | "nodes" | "now" | "driver">) {}

  disturbed(): void {
    this.since_ms = null;
    this.membersSince_ms = null;
    this.#right = 0;
  }

  announced(): void {
    this.since_ms = null;
    this.#right = 0;
  }

  /** After any change of the views. */
  look(): void {
    if (this.scene.views.wrong > 0) this.disturbed();
    else this.membersSince_ms ??= this.scene.now();
  }

  second(): void {
    this.look();
    if (this.since_ms !== null || this.membersSince_ms === null) return;
    const { nodes } = this.scene;
    for (let i = 0; i < observersPerSecond && this.#right < nodes.length; i++) {
      this.#nextObserver = (this.#nextObserver + 1) % nodes.length;
      this.#right = this.#knowsAll(this.#nextObserver) ? this.#right + 1 : 0;
    }
    if (this.#right >= nodes.length) this.since_ms = this.scene.now();
  }

  /** Its copies of the lists of all who are there are the owners' own. */
  #knowsAll(observer: number): boolean {
    const { truth, nodes } = this.scene;
    const directory = this.scene.driver(observer)?.directory;
    if (truth.up[observer] === 0 || !directory) return true;
    for (const { index, id, driver } of nodes) {
      if (truth.present[index] === 0) continue;
      const [own, known] = [driver?.directory.head(id), directory.head(id)];
      if (!own) continue;
      if (known?.boot !== own.boot || known.complete !== own.complete || known.hash !== own.hash) {
        if (own.complete > 0) return false;
      }
    }
    return true;
  }
}
