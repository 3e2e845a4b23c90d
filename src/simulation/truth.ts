/**
 * What is really so, known to the simulation alone: which processes run, their incarnations, and who is
 * disturbed by a fault. Checkers hold the drivers' words against it.
 */
import type { GossipReport } from "../cluster/gossip/reports.ts";
import type { Links } from "./links.ts";
import { nodeIndex } from "./node-set.ts";
import type { Happening, Observer } from "./observer.ts";
import type { Fault } from "./scenario.ts";

/** A node that reaches fewer of the others than this, both ways, is cut off. */
const reachLeast = 2 / 3;
/** While more of the nodes than this are disturbed, so is every node. */
const disturbedMost = 1 / 3;

export class Truth implements Observer {
  /** A process runs and has entered the cluster. */
  readonly up: Uint8Array;
  /** The others should think it present: it runs and does not leave. */
  readonly present: Uint8Array;
  readonly boot: Float64Array;
  readonly counter: Float64Array;
  /** When its present life entered the cluster. */
  readonly joined_ms: Float64Array;
  /** Faults and their ends, starts, crashes, goodbyes: since when nothing of it. */
  quietSince_ms = 0;
  /** When old accusations last may have arrived: from behind a cut, by a bad link, or sent again. */
  mended_ms = -Infinity;
  /** Faults of links and machines that go on right now, whether or not they disturb anybody. */
  impairments = 0;
  /** Disturbances that go on right now, of any node. */
  ongoing = 0;
  /** When the last disturbance of any node ended. */
  calmedAll_ms = 0;
  /** Since when a process, though it runs, says nothing (paused, wedged) or nothing of it gets through; NaN else. */
  readonly muteSince_ms: Float64Array;
  /** When a member last told a lie about it: until it has answered, the others must doubt it. */
  readonly slandered_ms: Float64Array;
  /** The boot epoch of the life that an operator removed last; −1 for none. */
  readonly removedBoot: Float64Array;
  readonly #disturbances: Uint16Array;
  readonly #calmSince: Float64Array;
  readonly #cutOff: Uint8Array;
  /** Of the machine, beside cuts. */
  readonly #ailments: Uint16Array;
  readonly #soundSince: Float64Array;
  #disturbedNodes = 0;
  /** When too many were disturbed for the last time. */
  #stormEnded_ms = 0;

  constructor(
    readonly nodes: number,
    private readonly now: () => number,
    private readonly links: Links,
  ) {
    this.up = new Uint8Array(nodes);
    this.present = new Uint8Array(nodes);
    this.boot = new Float64Array(nodes).fill(-1);
    this.counter = new Float64Array(nodes);
    this.joined_ms = new Float64Array(nodes);
    this.muteSince_ms = new Float64Array(nodes).fill(Number.NaN);
    this.slandered_ms = new Float64Array(nodes).fill(-Infinity);
    this.removedBoot = new Float64Array(nodes).fill(-1);
    this.#disturbances = new Uint16Array(nodes);
    this.#calmSince = new Float64Array(nodes);
    this.#cutOff = new Uint8Array(nodes);
    this.#ailments = new Uint16Array(nodes);
    this.#soundSince = new Float64Array(nodes);
  }

  /** A process with this boot epoch begins. */
  begins(node: number, boot: number): void {
    this.boot[node] = boot;
    this.counter[node] = 0;
  }

  happened(node: number, what: Happening): void {
    this.quietSince_ms = this.now();
    if (what === "joined") {
      this.up[node] = 1;
      this.present[node] = 1;
      this.joined_ms[node] = this.now();
    } else if (what !== "started") {
      this.present[node] = 0;
      if (what === "removed") this.removedBoot[node] = this.boot[node] as number;
      if (what !== "leaving" && what !== "removed") this.up[node] = 0;
    }
  }

  reported(node: number, report: GossipReport): void {
    if (report.kind !== "member" || nodeIndex(report.member.id) !== node) return;
    if (report.member.bootEpoch === this.boot[node]) this.counter[node] = report.member.incarnation;
  }

  faulted(fault: Fault, phase: "begins" | "ends"): void {
    if (impairing.has(fault.kind)) this.impairments += phase === "begins" ? 1 : -1;
    if (!harmless.has(fault.kind)) this.quietSince_ms = this.now();
    if (bringsOldNews.has(fault.kind)) this.mended_ms = this.now();
  }

  /** A fault that a node must notice begins; `calm` ends it. */
  disturb(nodes: readonly number[]): void {
    for (const node of nodes) {
      this.#ailments[node] = (this.#ailments[node] as number) + 1;
      this.#count(node, 1);
    }
  }

  calm(nodes: readonly number[]): void {
    for (const node of nodes) {
      this.#ailments[node] = (this.#ailments[node] as number) - 1;
      this.#soundSince[node] = this.now();
      this.#count(node, -1);
    }
  }

  mute(nodes: readonly number[]): void {
    for (const node of nodes) this.muteSince_ms[node] = this.now();
  }

  unmute(nodes: readonly number[]): void {
    for (const node of nodes) this.muteSince_ms[node] = Number.NaN;
  }

  /** After any change of the cuts: who is cut off now. */
  lookAtCuts(): void {
    for (let node = 0; node < this.nodes; node++) {
      let reached = 0;
      for (let other = 0; other < this.nodes; other++)
        if (this.links.passes(node, other) && this.links.passes(other, node)) reached++;
      const cutOff = reached < reachLeast * this.nodes ? 1 : 0;
      if (cutOff === this.#cutOff[node]) continue;
      this.#cutOff[node] = cutOff;
      this.#count(node, cutOff === 1 ? 1 : -1);
    }
  }

  disturbed(node: number): boolean {
    return this.#disturbances[node] !== 0;
  }

  /** No fault disturbed it for so long, whether or not it ran: nothing old waits to be heard there. */
  calmFor(node: number, duration_ms: number): boolean {
    return !this.disturbed(node) && this.now() - (this.#calmSince[node] as number) >= duration_ms;
  }

  /** Runs, as a member, undisturbed, for at least so long. */
  wellFor(node: number, duration_ms: number): boolean {
    if (this.up[node] === 0 || this.disturbed(node) || this.#isStorm()) return false;
    const since_ms = Math.max(this.joined_ms[node] as number, this.#calmSince[node] as number);
    return this.now() - Math.max(since_ms, this.#stormEnded_ms) >= duration_ms;
  }

  /** Runs, as a member, on a machine and links without a fault, for at least so long, whether or not it is cut off. */
  soundFor(node: number, duration_ms: number): boolean {
    if (this.up[node] === 0 || this.#ailments[node] !== 0) return false;
    const since_ms = Math.max(this.joined_ms[node] as number, this.#soundSince[node] as number);
    return this.now() - since_ms >= duration_ms;
  }

  /** How long no node was disturbed; crashes and starts of others do not count. */
  calm_ms(): number {
    return this.ongoing > 0 ? 0 : this.now() - this.calmedAll_ms;
  }

  /** How long nothing was done to the cluster; 0 while a disturbance goes on. */
  quiet_ms(): number {
    return this.ongoing > 0 ? 0 : this.now() - this.quietSince_ms;
  }

  #count(node: number, change: number): void {
    const wasStorm = this.#isStorm();
    const before = this.#disturbances[node] as number;
    const count = before + change;
    this.ongoing += change;
    if (this.ongoing === 0) this.calmedAll_ms = this.now();
    this.#disturbances[node] = count;
    if (before === 0) this.#disturbedNodes++;
    if (count > 0) return;
    this.#disturbedNodes--;
    this.#calmSince[node] = this.now();
    if (wasStorm && !this.#isStorm()) this.#stormEnded_ms = this.now();
  }

  #isStorm(): boolean {
    return this.#disturbedNodes > disturbedMost * this.nodes;
  }
}

/** What a cluster must bear without any effect on its membership. */
export const harmless: ReadonlySet<Fault["kind"]> = new Set([
  "deploy",
  "retire",
  "replay",
  "lie",
  "clock",
  "flap",
]);

const bringsOldNews: ReadonlySet<Fault["kind"]> = new Set(["cut", "degrade", "stall", "replay"]);
/** What is wrong with links and machines. */
export const impairing: ReadonlySet<Fault["kind"]> = new Set([
  "cut",
  "degrade",
  "slow",
  "pause",
  "stall",
  "wedge",
]);
