/** A node's agents are known to all in bound after it announced them: news of membership must not starve them. */
import type { AgentName } from "../../base/ids.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

interface Announcement {
  readonly owner: number;
  readonly at_ms: number;
  readonly agents: readonly AgentName[];
}

/** Agents looked at of one announcement. */
const sampleSize = 8;

export class DirectoryNews implements Checker {
  readonly name = "directory-news";
  readonly rule = "announced agents are known to every well node in bound";
  checked = 0;
  #waiting: Announcement[] = [];

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {}

  announced(owner: number): void {
    const agents = [...(this.scene.nodes[owner]?.agents.keys() ?? [])].slice(-sampleSize);
    this.#waiting.push({ owner, at_ms: this.scene.now(), agents });
  }

  second(): void {
    const { news_ms } = this.scene.bounds;
    const due = this.#waiting.filter(({ at_ms }) => this.scene.now() - at_ms >= news_ms);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter((one) => !due.includes(one));
    for (const announcement of due) this.#look(announcement);
  }

  #look({ owner, at_ms, agents }: Announcement): void {
    const { scene } = this;
    const { news_ms, grace_ms } = scene.bounds;
    const needed_ms = news_ms + grace_ms;
    if (!scene.truth.wellFor(owner, needed_ms)) return;
    const hosted = scene.nodes[owner]?.agents;
    for (const { index, id } of scene.nodes) {
      if (!scene.truth.wellFor(index, needed_ms)) continue;
      const directory = scene.driver(index)?.directory;
      for (const agent of agents) {
        if (!hosted?.has(agent)) continue;
        this.checked++;
        if (directory?.locate(agent) !== undefined) continue;
        const after_s = ((scene.now() - at_ms) / 1_000).toFixed(1);
        this.broken(`${id} does not know agent ${agent} ${after_s} s after it was announced`);
        return;
      }
    }
  }
}
