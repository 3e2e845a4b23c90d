/**
 * What every node thinks of every other, kept from their reports, and in how many places that differs
 * from the truth: so that agreement of all is one comparison with zero, at every step.
 */
import type { GossipReport } from "../cluster/gossip/reports.ts";
import type { MemberStatus } from "../cluster/membership.ts";
import { nodeIndex } from "./node-set.ts";
import type { Happening, Observer } from "./observer.ts";
import type { Truth } from "./truth.ts";

/** The index is the value in the table. */
export const viewStatuses = ["unknown", "alive", "suspect", "failed", "left"] as const;
export type ViewStatus = (typeof viewStatuses)[number];

const codes: Readonly<Record<MemberStatus, number>> = { alive: 1, suspect: 2, failed: 3, left: 4 };

export class Views implements Observer {
  readonly #cells: Uint8Array;
  /** Observers that are up and wrong about a node. */
  readonly #wrongAbout: Int32Array;
  readonly #up: Uint8Array;
  readonly #present: Uint8Array;
  #wrong = 0;

  constructor(
    readonly nodes: number,
    private readonly truth: Truth,
  ) {
    this.#cells = new Uint8Array(nodes * nodes);
    this.#wrongAbout = new Int32Array(nodes);
    this.#up = new Uint8Array(nodes);
    this.#present = new Uint8Array(nodes);
  }

  /** Cells of nodes that run which differ from the truth about who is there. */
  get wrong(): number {
    return this.#wrong;
  }

  wrongAbout(subject: number): number {
    return this.#wrongAbout[subject] as number;
  }

  status(observer: number, subject: number): ViewStatus {
    return viewStatuses[this.#cells[observer * this.nodes + subject] as number] ?? "unknown";
  }

  /** After `Truth` heard of it. */
  happened(node: number, what: Happening): void {
    if (what === "started") this.#clear(node);
    this.#setUp(node, this.truth.up[node] as number);
    this.#setPresent(node, this.truth.present[node] as number);
    if (what === "joined") this.#set(node, node, codes.alive);
  }

  reported(observer: number, report: GossipReport): void {
    if (report.kind !== "member" && report.kind !== "forgotten") return;
    const subject = nodeIndex(report.member.id);
    if (!(subject >= 0 && subject < this.nodes)) return;
    this.#set(observer, subject, report.kind === "forgotten" ? 0 : codes[report.member.status]);
  }

  #set(observer: number, subject: number, code: number): void {
    const before = this.#isWrong(observer, subject);
    this.#cells[observer * this.nodes + subject] = code;
    this.#count(subject, this.#isWrong(observer, subject) - before);
  }

  #clear(observer: number): void {
    for (let subject = 0; subject < this.nodes; subject++) this.#set(observer, subject, 0);
  }

  #setUp(observer: number, up: number): void {
    if (this.#up[observer] === up) return;
    for (let subject = 0; subject < this.nodes; subject++) {
      const before = this.#isWrong(observer, subject);
      this.#up[observer] = up;
      const after = this.#isWrong(observer, subject);
      this.#up[observer] = 1 - up;
      this.#count(subject, after - before);
    }
    this.#up[observer] = up;
  }

  #setPresent(subject: number, present: number): void {
    if (this.#present[subject] === present) return;
    let before = 0;
    for (let observer = 0; observer < this.nodes; observer++) before += this.#isWrong(observer, subject);
    this.#present[subject] = present;
    let after = 0;
    for (let observer = 0; observer < this.nodes; observer++) after += this.#isWrong(observer, subject);
    this.#count(subject, after - before);
  }

  #isWrong(observer: number, subject: number): number {
    if (this.#up[observer] === 0 || (observer === subject && this.#present[subject] === 0)) return 0;
    const code = this.#cells[observer * this.nodes + subject] as number;
    const thoughtPresent = code === codes.alive || code === codes.suspect ? 1 : 0;
    return thoughtPresent === this.#present[subject] ? 0 : 1;
  }

  #count(subject: number, change: number): void {
    this.#wrong += change;
    this.#wrongAbout[subject] = (this.#wrongAbout[subject] as number) + change;
  }
}
