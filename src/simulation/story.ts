/**
 * The run as a person would tell it: faults in words, and second by second who was suspected, failed and
 * came back in whose eyes. Many events become one line, so a cut of a region reads as one thing.
 */
import { counted } from "../base/counted.ts";
import { formatDuration } from "../base/durations.ts";
import type { GossipReport } from "../cluster/gossip/reports.ts";
import { formatNodeSet, nodeIndex, nodeName } from "./node-set.ts";
import type { Happening, Observer } from "./observer.ts";
import type { Fault } from "./scenario.ts";
import type { World } from "./world.ts";

export interface StoryLine {
  readonly at_ms: number;
  readonly text: string;
}

/** Kinds of events that are gathered by the second, in the order in which they are told. */
const gathered = ["joined", "suspect", "failed", "left", "alive", "forgotten"] as const;
type Gathered = (typeof gathered)[number];
const words: Readonly<Record<Gathered, string>> = {
  joined: "seen for the first time",
  suspect: "suspected",
  failed: "declared failed",
  left: "known to have left",
  alive: "alive again",
  forgotten: "forgotten",
};

/** Who, and in whose eyes; of those that are suspected, by whose word. */
interface Part {
  readonly subjects: Set<number>;
  readonly observers: Set<number>;
  readonly accusers: Set<number>;
}

/** Of one kind, by the region of who it is about. */
type Bucket = Map<number, Part>;

/** As `swim/updates.ts` says it. */
const accusedBy = "accused by ";
const linesLimit = 20_000;
const namedNodes = 4;
const namedRegions = 2;
/** Told each second at first after something was done, and then so often. */
const closely_ms = 3_000;
const later_ms = 5_000;

export class Story implements Observer {
  readonly #lines: StoryLine[] = [];
  readonly #buckets = new Map<Gathered, Bucket>();
  readonly #processes = new Map<Happening, number[]>();
  #agreed = false;
  #done_ms = 0;
  #told_ms = 0;

  constructor(private readonly world: World) {}

  lines(): readonly StoryLine[] {
    return this.#lines;
  }

  faulted(fault: Fault, phase: "begins" | "ends"): void {
    this.#flush();
    this.#done_ms = this.world.now();
    const text = faultText(fault, (set) => this.#setText(set), phase);
    if (text !== null) this.#say(text);
  }

  happened(node: number, what: Happening): void {
    if (what === "removed") return;
    this.#done_ms = this.world.now();
    const nodes = this.#processes.get(what);
    if (nodes) nodes.push(node);
    else this.#processes.set(what, [node]);
  }

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member" && report.kind !== "forgotten") return;
    const kind = report.kind === "forgotten" ? "forgotten" : report.event;
    const subject = nodeIndex(report.member.id);
    if (kind === "updated" || subject === observer) return;
    const bucket: Bucket = this.#buckets.get(kind) ?? new Map();
    this.#buckets.set(kind, bucket);
    const region = this.world.links.region(subject);
    const part = bucket.get(region) ?? newPart();
    bucket.set(region, part);
    part.subjects.add(subject);
    part.observers.add(observer);
    if (kind === "suspect") part.accusers.add(accuserOf(report.reason) ?? observer);
  }

  second(): void {
    const now = this.world.now();
    if (now - this.#done_ms <= closely_ms || now - this.#told_ms >= later_ms) this.#flush();
    else this.#tellAgreement();
  }

  ended(): void {
    this.#flush();
    this.#say("the end");
  }

  #flush(): void {
    this.#told_ms = this.world.now();
    for (const [what, nodes] of this.#processes) {
      if (what === "joined" || what === "leaving") continue;
      const verb = verbs[what];
      this.#say(`${this.#names(nodes)}: ${nodes.length === 1 ? singular(verb) : verb}`);
    }
    this.#processes.clear();
    for (const kind of gathered) {
      const bucket = this.#buckets.get(kind);
      if (!bucket) continue;
      for (const part of this.#told(bucket)) {
        const observers = this.#observers([...part.observers]);
        this.#say(`${this.#names([...part.subjects])} ${words[kind]} at ${observers}${this.#accusers(part)}`);
      }
    }
    this.#buckets.clear();
    this.#tellAgreement();
  }

  #tellAgreement(): void {
    const { views, truth, agreement } = this.world;
    const agreed = views.wrong === 0;
    if (agreed === this.#agreed) return;
    this.#agreed = agreed;
    if (this.#buckets.size > 0) this.#flush();
    const there = truth.present.reduce((sum, one) => sum + one, 0);
    if (!agreed || there < 2) return;
    const when_ms = agreement.membersSince_ms ?? this.world.now();
    const after = formatDuration(Math.round((when_ms - truth.quietSince_ms) / 100) * 100);
    this.#say(`all ${there} nodes agree on who is there, ${after} after the last change`);
  }

  /** Regions by name, few nodes each, many by their number. */
  #names(nodes: readonly number[]): string {
    const sorted = [...nodes].sort((a, b) => a - b);
    const { links, geography } = this.world;
    const size = this.world.nodes.length;
    if (sorted.length === size && size > namedNodes) return `all ${size} nodes`;
    const regions = this.#regionsOf(sorted);
    if (geography.names.length > 1 && regions.size < geography.names.length && sorted.length > namedNodes) {
      const there = this.world.nodes.filter(({ index }) => regions.has(links.region(index))).length;
      const count = there === sorted.length ? `all ${there}` : `${sorted.length}`;
      return `${count} nodes of ${this.#places(regions)}`;
    }
    const text = formatNodeSet(sorted);
    if (text.split(",").length <= namedNodes) return text;
    return `${sorted.length} nodes (${sorted
      .slice(0, namedNodes - 1)
      .map(nodeName)
      .join(", ")}, …)`;
  }

  /** Side by side, so that a cut reads as one: regions that the same regions look at are one part. */
  #told(bucket: Bucket): Part[] {
    const parts = [...bucket.values()];
    const all = new Set(parts.flatMap(({ subjects }) => [...subjects]));
    if (all.size <= namedNodes) return [merged(parts)];
    const sides = new Map<string, Part[]>();
    for (const part of parts) {
      const side = [...this.#regionsOf([...part.observers])].sort().join(" ");
      sides.set(side, [...(sides.get(side) ?? []), part]);
    }
    return sides.size > 2 ? [merged(parts)] : [...sides.values()].map(merged);
  }

  #regionsOf(nodes: readonly number[]): Set<number> {
    return new Set(nodes.map((node) => this.world.links.region(node)));
  }

  /** One by name, many by their number and regions. */
  #observers(observers: readonly number[]): string {
    const [first] = observers;
    if (observers.length === 1 && first !== undefined) return nodeName(first);
    const regions = this.#regionsOf(observers);
    const { length } = this.world.geography.names;
    const everywhere = length === 1 || regions.size === length;
    return everywhere ? `${observers.length} nodes` : `${observers.length} nodes of ${this.#places(regions)}`;
  }

  /** Nothing where each found out by itself. */
  #accusers({ accusers, observers }: Part): string {
    if (accusers.size === 0 || observers.isSubsetOf(accusers)) return "";
    return `, accused by ${this.#names([...accusers])}`;
  }

  #places(regions: ReadonlySet<number>): string {
    if (regions.size > namedRegions) return `${regions.size} regions`;
    const names = [...regions]
      .sort((a, b) => a - b)
      .map((region) => this.world.geography.names[region] ?? "");
    return names.join(" and ");
  }

  #setText(set: string): string {
    return set.startsWith("region:") ? `region ${set.slice(7)}` : set;
  }

  #say(text: string): void {
    if (this.#lines.length < linesLimit) this.#lines.push({ at_ms: this.world.now(), text });
  }
}

function newPart(): Part {
  return { subjects: new Set(), observers: new Set(), accusers: new Set() };
}

function merged(parts: readonly Part[]): Part {
  return {
    subjects: new Set(parts.flatMap(({ subjects }) => [...subjects])),
    observers: new Set(parts.flatMap(({ observers }) => [...observers])),
    accusers: new Set(parts.flatMap(({ accusers }) => [...accusers])),
  };
}

/** Undefined where the observer found out by itself. */
function accuserOf(reason: string): number | undefined {
  const accuser = reason.startsWith(accusedBy) ? reason.slice(accusedBy.length) : "";
  return accuser === "" ? undefined : nodeIndex(accuser);
}

const verbs: Readonly<Record<Exclude<Happening, "joined" | "leaving">, string>> = {
  started: "start",
  crashed: "crash",
  left: "have left and end",
  removed: "",
  expelled: "hear that they were removed, and end",
};

function singular(verb: string): string {
  if (verb === verbs.left) return "has left and ends";
  if (verb === verbs.expelled) return "hears that it was removed, and ends";
  return verb === verbs.crashed ? "crashes" : `${verb}s`;
}

/** Null where the process's own line says it. */
function faultText(fault: Fault, set: (set: string) => string, phase: "begins" | "ends"): string | null {
  const nodes = "nodes" in fault ? set(fault.nodes) : "";
  const begins = phase === "begins";
  switch (fault.kind) {
    case "crash":
      if (!begins || (fault.silent !== true && fault.certified !== true)) return null;
      return fault.silent === true
        ? `FAULT ${nodes} loses power`
        : `FAULT the launcher of ${nodes} certifies its end`;
    case "leave":
      return begins ? `FAULT ${nodes} is told to leave` : null;
    case "remove":
      return `FAULT an operator removes ${nodes} at ${set(fault.by)}`;
    case "pause":
      return begins ? `FAULT ${nodes} stands still` : `ends: ${nodes} runs on`;
    case "stall":
      return begins
        ? `FAULT the network of ${nodes} stands still`
        : `ends: the network of ${nodes} moves again`;
    case "slow":
      return begins
        ? `FAULT ${nodes} is slow, ${fault.cost_ms} ms for each event`
        : `ends: ${nodes} is fast again`;
    case "wedge":
      return begins ? `FAULT main hangs at ${nodes}` : `ends: main runs again at ${nodes}`;
    case "cut": {
      const peers = fault.peers === undefined ? "all others" : set(fault.peers);
      const way =
        fault.oneWay === true ? `nothing passes from ${nodes} to ${peers}` : `${nodes} cut off from ${peers}`;
      return begins ? `FAULT ${way}` : `ends: ${nodes} and ${peers} reach each other again`;
    }
    case "degrade": {
      const parts = [
        fault.loss === undefined ? "" : `${Math.round(fault.loss * 100)} % loss`,
        fault.duplication === undefined ? "" : `${Math.round(fault.duplication * 100)} % doubled`,
        fault.delay_ms === undefined ? "" : `${fault.delay_ms} ms later`,
      ].filter((part) => part !== "");
      return begins
        ? `FAULT links of ${nodes} are bad: ${parts.join(", ")}`
        : `ends: links of ${nodes} are good again`;
    }
    case "clock":
      return begins
        ? `FAULT clock of ${nodes}: off by ${fault.skew_ms ?? 0} ms, ${fault.drift ?? 1} times as fast`
        : `ends: clock of ${nodes} is right again`;
    case "disk": {
      const how = fault.errors === true ? "refuses every write" : "takes no write";
      return begins ? `FAULT the disk of ${nodes} ${how}` : `ends: the disk of ${nodes} is well again`;
    }
    case "flap":
      return `FAULT streams of ${nodes} break, the processes run on`;
    case "deploy":
      return `${nodes} begins to host ${counted(fault.count, "agent")} more`;
    case "retire":
      return `${nodes} ends ${counted(fault.count, "agent")}`;
    case "replay":
      return `FAULT ${fault.count} recorded packets are sent again`;
    case "lie":
      return `FAULT ${nodes} lies about ${set(fault.about)}, ${fault.step} incarnations ahead`;
  }
}
