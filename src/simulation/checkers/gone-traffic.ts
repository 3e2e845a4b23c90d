/** Whoever knows that a member has left sends it nothing more: the lists that receivers are chosen from follow the table. */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { nodeIndex, nodeName } from "../node-set.ts";
import type { Packet } from "../network.ts";
import type { Happening } from "../observer.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** Probes for others who do not know it yet, and what was under way. */
const grace_ms = 5_000;

export class GoneTraffic implements Checker {
  readonly name = "gone-traffic";
  readonly rule = "who is known to have left is sent no packets";
  checked = 0;
  /** When an observer learned it, by observer and subject; NaN else. */
  readonly #since: Float64Array;
  /** When somebody last held it for present, who may have asked any other to probe it. */
  readonly #doubted: Float64Array;
  readonly #nodes: number;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {
    this.#nodes = scene.nodes.length;
    this.#since = new Float64Array(this.#nodes ** 2).fill(Number.NaN);
    this.#doubted = new Float64Array(this.#nodes).fill(-Infinity);
  }

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member" && report.kind !== "forgotten") return;
    const cell = observer * this.#nodes + nodeIndex(report.member.id);
    const left = report.kind === "member" && report.member.status === "left";
    this.#since[cell] = left ? this.scene.now() : Number.NaN;
  }

  happened(node: number, what: Happening): void {
    if (what === "started") this.#since.fill(Number.NaN, node * this.#nodes, (node + 1) * this.#nodes);
  }

  sent({ from, to }: Packet): void {
    if (!(to >= 0 && to < this.#nodes)) return;
    const since_ms = this.#since[from * this.#nodes + to] as number;
    // A life that has begun since is answered, and one that still ends is as well.
    if (Number.isNaN(since_ms) || this.scene.nodes[to]?.life !== undefined) return;
    if (this.scene.views.wrongAbout(to) > 0) this.#doubted[to] = this.scene.now();
    if (this.scene.now() - (this.#doubted[to] as number) < grace_ms) return;
    // Who was cut off or hung may ask this one to probe it for a while yet.
    const { truth, bounds } = this.scene;
    if (this.scene.now() - since_ms < grace_ms || truth.calm_ms() < bounds.grace_ms) return;
    // Whoever is told that it lives anew asks it.
    if (this.scene.now() - (truth.slandered_ms[to] as number) < grace_ms) return;
    this.broken(`${nodeName(from)} sends packets to ${nodeName(to)}, which it knows to have left`);
  }

  second(): void {
    for (const since_ms of this.#since) if (!Number.isNaN(since_ms)) this.checked++;
    for (let to = 0; to < this.#nodes; to++)
      if (this.scene.views.wrongAbout(to) > 0) this.#doubted[to] = this.scene.now();
  }
}
