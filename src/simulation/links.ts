/** The state of every directed link between machines: its delay, whether it is cut, what else is wrong with it. */
import { type Geography, regionOf } from "./regions.ts";

export interface Degradation {
  readonly nodes: ReadonlySet<number>;
  readonly peers: ReadonlySet<number>;
  readonly loss: number;
  readonly duplication: number;
  readonly delay_ms: number;
}

export class Links {
  /** Cuts may overlap: a link passes when none lies on it. */
  readonly #cuts: Uint16Array;
  readonly #regions: Uint8Array;
  #cutLinks = 0;
  readonly #degradations = new Set<Degradation>();

  constructor(
    readonly nodes: number,
    private readonly geography: Geography,
  ) {
    this.#cuts = new Uint16Array(nodes * nodes);
    this.#regions = Uint8Array.from({ length: nodes }, (_, node) => regionOf(geography, node, nodes));
  }

  passes(from: number, to: number): boolean {
    return this.#cuts[from * this.nodes + to] === 0;
  }

  get hasCuts(): boolean {
    return this.#cutLinks > 0;
  }

  /** One way, of the undisturbed link. */
  delay_ms(from: number, to: number): number {
    const row = this.geography.roundTrip_ms[this.#regions[from] as number];
    return (row?.[this.#regions[to] as number] ?? 0) / 2;
  }

  region(node: number): number {
    return this.#regions[node] as number;
  }

  cut(from: readonly number[], to: readonly number[], oneWay: boolean): void {
    this.#count(from, to, oneWay, 1);
  }

  heal(from: readonly number[], to: readonly number[], oneWay: boolean): void {
    this.#count(from, to, oneWay, -1);
  }

  degrade(degradation: Degradation): void {
    this.#degradations.add(degradation);
  }

  restore(degradation: Degradation): void {
    this.#degradations.delete(degradation);
  }

  /** What is wrong with the link beyond a cut, of all degradations together; null when nothing is. */
  wrongs(from: number, to: number): { loss: number; duplication: number; delay_ms: number } | null {
    if (this.#degradations.size === 0) return null;
    let found: { loss: number; duplication: number; delay_ms: number } | null = null;
    for (const { nodes, peers, loss, duplication, delay_ms } of this.#degradations) {
      if (!((nodes.has(from) && peers.has(to)) || (nodes.has(to) && peers.has(from)))) continue;
      found ??= { loss: 0, duplication: 0, delay_ms: 0 };
      found.loss = 1 - (1 - found.loss) * (1 - loss);
      found.duplication = Math.max(found.duplication, duplication);
      found.delay_ms += delay_ms;
    }
    return found;
  }

  #count(from: readonly number[], to: readonly number[], oneWay: boolean, change: number): void {
    for (const a of from) {
      for (const b of to) {
        if (a === b) continue;
        this.#add(a, b, change);
        if (!oneWay) this.#add(b, a, change);
      }
    }
  }

  #add(from: number, to: number, change: number): void {
    const at = from * this.nodes + to;
    const before = this.#cuts[at] as number;
    this.#cuts[at] = before + change;
    if (before === 0) this.#cutLinks++;
    else if (before + change === 0) this.#cutLinks--;
  }
}
