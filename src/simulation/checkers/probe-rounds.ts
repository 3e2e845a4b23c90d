/**
 * Each asks each: a member is probed once in every round of everybody who is well, and whoever comes or comes back
 * in the round that is under way (SWIM, section 4.3). On it rests that a death is found out without any hint.
 */
import type { GossipReport } from "../../cluster/gossip/reports.ts";
import { encodeRecord, gossipVersion } from "../../wire/gossip-records.ts";
import type { NodeId } from "../../base/ids.ts";
import { nodeIndex, nodeName } from "../node-set.ts";
import type { Packet } from "../network.ts";
import type { Happening } from "../observer.ts";
import type { Broken, Checker, Scene } from "../scene.ts";

/** A packet of a probe begins so: it comes before all news. */
const [probeType] = encodeRecord({ kind: "probe", sequence: 0, target: "n1" as NodeId });
/** Clocks drift, and local health is looked at once a second. */
const slackTurns = 3;
const slackShare = 0.05;

export class ProbeRounds implements Checker {
  readonly name = "probe-rounds";
  readonly rule = "everybody is probed by everybody once a round, also who came back";
  checked = 0;
  readonly #nodes: number;
  /** Periods that each had to probe in, up to the last look; less those in which others came first with reason. */
  readonly #turns: Float64Array;
  /** Of those who were taken up lately there may be an old place in the round as well as the new one. */
  readonly #crowd: Float64Array;
  /** The observer's turns when it last probed a subject or took it up; NaN while it does not think it present. */
  readonly #since: Float64Array;
  /** Taken up and not probed yet: its turn is in this round. */
  readonly #fresh: Uint8Array;
  readonly #doubt: Float64Array;
  #looked_ms = 0;

  constructor(
    private readonly scene: Scene,
    private readonly broken: Broken,
  ) {
    this.#nodes = scene.nodes.length;
    this.#turns = new Float64Array(this.#nodes);
    this.#crowd = new Float64Array(this.#nodes);
    this.#doubt = new Float64Array(this.#nodes);
    this.#since = new Float64Array(this.#nodes ** 2).fill(Number.NaN);
    this.#fresh = new Uint8Array(this.#nodes ** 2);
  }

  happened(node: number, what: Happening): void {
    if (what === "started") this.#since.fill(Number.NaN, node * this.#nodes, (node + 1) * this.#nodes);
  }

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member" && report.kind !== "forgotten") return;
    const subject = nodeIndex(report.member.id);
    if (!(subject >= 0 && subject < this.#nodes) || subject === observer) return;
    const cell = observer * this.#nodes + subject;
    const status = report.kind === "member" ? report.member.status : "left";
    if (status === "failed" || status === "left") {
      this.#since[cell] = Number.NaN;
      return;
    }
    // Helpers that kept silent are asked before all others.
    if (status === "suspect") this.#turns[observer] = this.#turn(observer) - this.#hurried;
    if (!Number.isNaN(this.#since[cell])) return;
    // Whoever waits may have to let it go first.
    this.#turns[observer] = this.#turn(observer) - 1;
    this.#crowd[observer] = (this.#crowd[observer] as number) + 1;
    this.#since[cell] = this.#soonest(observer);
    this.#fresh[cell] = 1;
  }

  believed(node: number, { from }: Packet, payload: Uint8Array): void {
    if (payload[0] !== gossipVersion || payload[1] !== probeType) return;
    const cell = from * this.#nodes + node;
    if (Number.isNaN(this.#since[cell])) return;
    this.#since[cell] = this.#soonest(from);
    this.#fresh[cell] = 0;
  }

  second(): void {
    const { scene } = this;
    const { truth, bounds } = scene;
    const periods = (scene.now() - this.#looked_ms) / bounds.timing.probe_ms;
    this.#looked_ms = scene.now();
    const { loss, corruption } = scene.scenario.network;
    if (loss > 0 || corruption > 0) return;
    const isWell = scene.nodes.map(({ index }) => truth.present[index] === 1 && truth.wellFor(index, 0));
    for (const { index } of scene.nodes) {
      const doubt = scene.stats(index)?.localHealth ?? 0;
      const turns = periods / (1 + Math.max(doubt, this.#doubt[index] as number));
      this.#turns[index] = this.#turn(index) + turns;
      this.#crowd[index] = Math.max(0, (this.#crowd[index] as number) - turns);
      this.#doubt[index] = doubt;
    }
    for (const { index } of scene.nodes) if (truth.up[index] === 1) this.#look(index, isWell);
  }

  #look(observer: number, isWell: readonly boolean[]): void {
    const { links } = this.scene;
    const row = this.#since.subarray(observer * this.#nodes, (observer + 1) * this.#nodes);
    const present = row.reduce((count, since) => count + (Number.isNaN(since) ? 0 : 1), 0);
    for (const [subject, since] of row.entries()) {
      if (Number.isNaN(since)) continue;
      const cell = observer * this.#nodes + subject;
      if (!isWell[observer] || !isWell[subject] || !links.passes(observer, subject)) {
        // Its turn may have come, and its probe been lost.
        row[subject] = this.#soonest(observer);
        this.#fresh[cell] = 0;
        continue;
      }
      this.checked++;
      const rounds = this.#fresh[cell] === 1 ? 1 : 2;
      const waited = this.#turn(observer) - since;
      if (waited <= rounds * present * (1 + slackShare) + slackTurns) continue;
      const what = rounds === 1 ? "which came (back) since" : "in two rounds";
      const [who, whom] = [nodeName(observer), nodeName(subject)];
      this.broken(
        `${who} did not probe ${whom}, ${what}: ${Math.round(waited)} probes went to ${present} others`,
      );
      return;
    }
  }

  /** From when on a round is counted that begins now. */
  #soonest(observer: number): number {
    const sinceLook = (this.scene.now() - this.#looked_ms) / this.scene.bounds.timing.probe_ms;
    return this.#turn(observer) + sinceLook + (this.#crowd[observer] as number);
  }

  #turn(observer: number): number {
    return this.#turns[observer] as number;
  }

  get #hurried(): number {
    return this.scene.bounds.timing.indirectProbes;
  }
}
