/**
 * The wires between simulated nodes: who can reach whom, and how badly. Datagrams and streams of this
 * folder ask it for the fate of every packet. All chance comes from one seeded generator.
 * A node is its host address here; nodes of one simulation have distinct hosts.
 */
import type { Prng } from "../../base/prng.ts";
import type { VirtualClock } from "./clock.ts";

export interface LinkRules {
  /** Probability that a datagram is lost; streams resend by themselves and only get slower. */
  readonly loss: number;
  /** Probability that a datagram arrives twice. */
  readonly duplication: number;
  /** One-way delay, uniform between the two: different delays also reorder datagrams. */
  readonly delay_ms: readonly [low: number, high: number];
}

/** A paused host's socket keeps this many packets, as a 2 MB kernel buffer of small ones would. */
const receiveBuffer_packets = 2_048;

const perfectLink: LinkRules = { loss: 0, duplication: 0, delay_ms: [0.1, 0.1] };

export class MemoryNetwork {
  #rules: LinkRules = perfectLink;
  readonly #links = new Map<string, LinkRules>();
  readonly #cuts = new Set<string>();
  readonly #paused = new Map<string, (() => void)[]>();

  constructor(
    readonly clock: VirtualClock,
    private readonly prng: Prng,
  ) {}

  /** Rules of every link that has none of its own. */
  setRules(rules: Partial<LinkRules>): void {
    this.#rules = { ...this.#rules, ...rules };
  }

  /** Rules of one direction. */
  setLink(from: string, to: string, rules: Partial<LinkRules>): void {
    this.#links.set(`${from}>${to}`, { ...this.#rules, ...rules });
  }

  /** Nothing passes from one host to the other; the way back is untouched. */
  cutOneWay(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Separates two groups of hosts in both directions. */
  cut(left: readonly string[], right: readonly string[]): void {
    for (const a of left) {
      for (const b of right) {
        this.cutOneWay(a, b);
        this.cutOneWay(b, a);
      }
    }
  }

  /** Ends every cut. */
  heal(): void {
    this.#cuts.clear();
  }

  /** The host takes nothing in until `resume`; what arrives meanwhile waits in its receive buffer. */
  pause(host: string): void {
    if (!this.#paused.has(host)) this.#paused.set(host, []);
  }

  resume(host: string): void {
    const waiting = this.#paused.get(host) ?? [];
    this.#paused.delete(host);
    for (const arrive of waiting) this.clock.after(0, arrive);
  }

  isPaused(host: string): boolean {
    return this.#paused.has(host);
  }

  passes(from: string, to: string): boolean {
    return !this.#cuts.has(`${from}>${to}`);
  }

  delay_ms(from: string, to: string): number {
    const [low, high] = this.#link(from, to).delay_ms;
    return low + (high - low) * this.prng.float();
  }

  /** Schedules the arrivals of one datagram: none when it is lost or cut off, two when doubled. */
  carry(from: string, to: string, arrive: () => void): void {
    const rules = this.#link(from, to);
    if (!this.passes(from, to) || this.prng.chance(rules.loss)) return;
    const copies = this.prng.chance(rules.duplication) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      this.clock.after(this.delay_ms(from, to), () => this.#arrive(from, to, arrive));
    }
  }

  /** Whether this segment of a stream is lost on its first try. */
  losesSegment(from: string, to: string): boolean {
    return this.prng.chance(this.#link(from, to).loss);
  }

  #arrive(from: string, to: string, arrive: () => void): void {
    // A cut also takes what was on the wire.
    if (!this.passes(from, to)) return;
    const waiting = this.#paused.get(to);
    if (!waiting) arrive();
    else if (waiting.length < receiveBuffer_packets) waiting.push(arrive);
  }

  #link(from: string, to: string): LinkRules {
    return this.#links.get(`${from}>${to}`) ?? this.#rules;
  }
}
