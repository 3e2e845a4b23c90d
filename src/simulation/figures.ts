/** What a run measured: detections, convergence, traffic. */
import type { Happening, Observer } from "./observer.ts";
import type { GossipReport } from "../cluster/gossip/reports.ts";
import { nodeIndex, nodeName } from "./node-set.ts";
import type { Fault } from "./scenario.ts";
import type { World } from "./world.ts";

/** From the crash on; null for what did not happen. */
export interface DetectionFigure {
  readonly node: string;
  readonly crashed_ms: number;
  readonly firstSuspected_ms: number | null;
  readonly firstFailed_ms: number | null;
  readonly knownToAll_ms: number | null;
}

export interface ConvergenceFigure {
  /** What was done last before. */
  readonly after: string;
  readonly since_ms: number;
  readonly members_ms: number;
  readonly directories_ms: number | null;
}

export interface RunFigures {
  readonly packets: number;
  /** A node and second, over the whole run. */
  readonly packetsPerNodeSecond: number;
  readonly bytesPerNodeSecond: number;
  readonly detections: readonly DetectionFigure[];
  readonly convergences: readonly ConvergenceFigure[];
  /** Members that ran and were declared failed by somebody, counted by pairs. */
  readonly falseFailures: number;
  /** Those of them that no fault excuses. */
  readonly falseFailuresOfWell: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Figures implements Observer {
  readonly #detections: Mutable<DetectionFigure>[] = [];
  readonly #open = new Map<number, Mutable<DetectionFigure>>();
  readonly #convergences: Mutable<ConvergenceFigure>[] = [];
  #last = { after: "the start", at_ms: 0 };
  #converging: Mutable<ConvergenceFigure> | null = null;
  #falseFailures = 0;
  #ofWell = 0;
  #node_ms = 0;
  #looked_ms = 0;

  constructor(private readonly world: World) {}

  happened(node: number, what: Happening): void {
    const now = this.world.now();
    if (what === "crashed") {
      const figure = {
        node: nodeName(node),
        crashed_ms: now,
        firstSuspected_ms: null,
        firstFailed_ms: null,
        knownToAll_ms: null,
      };
      this.#detections.push(figure);
      this.#open.set(node, figure);
    } else if (what === "started") {
      this.#open.delete(node);
    }
    this.#disturbed(`${nodeName(node)} ${what}`);
  }

  faulted(fault: Fault, phase: "begins" | "ends"): void {
    this.#disturbed(`${fault.kind} ${"nodes" in fault ? fault.nodes : ""} ${phase}`);
  }

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member") return;
    const subject = nodeIndex(report.member.id);
    const figure = this.#open.get(subject);
    const now = this.world.now();
    if (report.event === "failed" && this.world.truth.present[subject] === 1)
      this.#countFalse(observer, subject);
    if (figure) {
      const after_ms = now - figure.crashed_ms;
      if (report.event === "suspect") figure.firstSuspected_ms ??= after_ms;
      if (report.event === "failed") figure.firstFailed_ms ??= after_ms;
      if (this.world.views.wrongAbout(subject) === 0) {
        figure.knownToAll_ms = after_ms;
        this.#open.delete(subject);
      }
    }
    this.#lookAtAgreement();
  }

  second(): void {
    const now = this.world.now();
    const up = this.world.truth.up.reduce((sum, one) => sum + one, 0);
    this.#node_ms += up * (now - this.#looked_ms);
    this.#looked_ms = now;
    this.#lookAtAgreement();
  }

  result(): RunFigures {
    const { sentPackets, sentBytes } = this.world.network;
    const packets = sentPackets.reduce((sum, one) => sum + one, 0);
    const bytes = sentBytes.reduce((sum, one) => sum + one, 0);
    const node_s = Math.max(1, this.#node_ms / 1_000);
    return {
      packets,
      packetsPerNodeSecond: packets / node_s,
      bytesPerNodeSecond: bytes / node_s,
      detections: this.#detections,
      convergences: this.#convergences,
      falseFailures: this.#falseFailures,
      falseFailuresOfWell: this.#ofWell,
    };
  }

  #countFalse(observer: number, subject: number): void {
    const { truth, bounds } = this.world;
    this.#falseFailures++;
    if (truth.wellFor(subject, bounds.refutation_ms) && truth.wellFor(observer, bounds.grace_ms))
      this.#ofWell++;
  }

  #disturbed(after: string): void {
    this.#last = { after, at_ms: this.world.now() };
    this.#converging = null;
  }

  #lookAtAgreement(): void {
    const { agreement, views, truth } = this.world;
    const now = this.world.now();
    if (this.#converging && views.wrong > 0) {
      // It did not last: what a disturbance began may come out seconds after it.
      if (this.#convergences.at(-1) === this.#converging) this.#convergences.pop();
      this.#converging = null;
    }
    if (this.#converging) {
      if (agreement.since_ms !== null)
        this.#converging.directories_ms ??= agreement.since_ms - this.#last.at_ms;
      return;
    }
    if (views.wrong > 0 || truth.ongoing > 0) return;
    const { after, at_ms } = this.#last;
    this.#converging = { after, since_ms: at_ms, members_ms: now - at_ms, directories_ms: null };
    // What never made them disagree is no convergence worth telling.
    if (now > at_ms) this.#convergences.push(this.#converging);
  }
}
