/**
 * The streams between simulated raft threads: each node dials those that it wants to send to. What is sent arrives in
 * order or not at all; behind a cut it waits as in a kernel's buffer, until the cut heals or the stream is given up.
 */
import type { NodeId } from "../../base/ids.ts";
import type { Prng } from "../../base/prng.ts";

export interface LinksNature {
  readonly delay_ms: number;
  readonly jitter_ms: number;
  /** Of the ends of streams, how many are noticed as a sign that the peer is gone. */
  readonly hinted: number;
}

/** A node as the links see it: its process, if it has one. */
export interface LinkEnd {
  readonly name: NodeId;
  readonly wanted: ReadonlySet<NodeId>;
  readonly isUp: boolean;
  linkUp(node: NodeId): void;
  linkDown(node: NodeId, isHint: boolean): void;
  receive(from: NodeId, bytes: Uint8Array): void;
}

export interface LinksWorld {
  readonly now: number;
  at(time_ms: number, work: () => void): void;
  end(node: NodeId): LinkEnd | undefined;
  arrives(from: NodeId, to: NodeId, bytes: Uint8Array): void;
}

interface Link {
  readonly from: LinkEnd;
  readonly to: LinkEnd;
  up: boolean;
  lastArrival: number;
  readonly held: Uint8Array[];
}

const redial_ms = 15;
/** A stream over a cut is given up within this. */
const giveUp_ms = 500;
/** Frames that wait behind a cut; above it the stream breaks. */
const heldLimit = 500;

export class ConsensusLinks {
  readonly #links = new Map<string, Link>();
  readonly #cuts = new Set<string>();
  readonly #dialling = new Set<string>();

  constructor(
    private readonly world: LinksWorld,
    private readonly nature: LinksNature,
    private readonly prng: Prng,
  ) {}

  isUp(from: NodeId, to: NodeId): boolean {
    return this.#links.has(nameOf(from, to));
  }

  upFrom(from: NodeId): NodeId[] {
    return [...this.#links.values()].flatMap((link) => (link.from.name === from ? [link.to.name] : []));
  }

  /** Streams that `end` wants and does not have are dialled; those that it no longer wants are closed. */
  keep(end: LinkEnd): void {
    for (const to of end.wanted) this.#dial(end.name, to);
    for (const link of this.#links.values())
      if (link.from === end && !end.wanted.has(link.to.name))
        this.#links.delete(nameOf(end.name, link.to.name));
  }

  /** What leaves at `at`, if the stream is up. */
  send(from: NodeId, to: NodeId, bytes: Uint8Array, at: number): void {
    const link = this.#links.get(nameOf(from, to));
    if (link === undefined) return;
    const { delay_ms, jitter_ms } = this.nature;
    const arrival = Math.max(link.lastArrival, at + delay_ms + this.prng.float() * jitter_ms);
    link.lastArrival = arrival;
    const sender = link.from;
    this.world.at(at, () => {
      // The process ended before it came to this.
      if (!link.up || !sender.isUp) return;
      this.world.at(arrival, () => this.#arrive(link, bytes));
    });
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cuts.add(nameOf(from, to));
    const link = this.#links.get(nameOf(from, to));
    if (link === undefined || this.prng.chance(0.4)) return;
    this.world.at(this.world.now + this.prng.float() * giveUp_ms, () => {
      if (this.#isCut(from, to)) this.break(link.from.name, link.to.name);
    });
  }

  heal(): void {
    this.#cuts.clear();
    for (const link of this.#links.values())
      for (const bytes of link.held.splice(0)) this.#arrive(link, bytes);
  }

  break(from: NodeId, to: NodeId): void {
    const link = this.#links.get(nameOf(from, to));
    if (link === undefined) return;
    link.up = false;
    this.#links.delete(nameOf(from, to));
    link.from.linkDown(to, this.prng.chance(this.nature.hinted));
    this.#dial(from, to);
  }

  /** The process at one end is gone: its streams end, and the others notice soon. */
  gone(node: NodeId): void {
    for (const link of this.#links.values()) {
      const { from, to } = link;
      if (from.name !== node && to.name !== node) continue;
      link.up = false;
      this.#links.delete(nameOf(from.name, to.name));
      if (from.name === node) continue;
      const isHint = this.prng.chance(this.nature.hinted);
      this.world.at(this.world.now + this.nature.delay_ms, () => {
        from.linkDown(node, isHint);
        this.#dial(from.name, node);
      });
    }
  }

  #arrive(link: Link, bytes: Uint8Array): void {
    if (!link.up) return;
    const { from, to, held } = link;
    if (this.#isCut(from.name, to.name)) {
      held.push(bytes);
      if (held.length > heldLimit) this.break(from.name, to.name);
      return;
    }
    this.world.arrives(from.name, to.name, bytes);
    to.receive(from.name, bytes);
  }

  #dial(from: NodeId, to: NodeId): void {
    const name = nameOf(from, to);
    if (this.#dialling.has(name) || this.#links.has(name)) return;
    this.#dialling.add(name);
    this.world.at(this.world.now + this.nature.delay_ms * 2 + this.prng.float() * 2, () =>
      this.#dialled(from, to),
    );
  }

  #dialled(from: NodeId, to: NodeId): void {
    const name = nameOf(from, to);
    this.#dialling.delete(name);
    const [one, other] = [this.world.end(from), this.world.end(to)];
    if (one?.isUp !== true || !one.wanted.has(to) || this.#links.has(name)) return;
    if (other?.isUp === true && !this.#isCut(from, to) && !this.#isCut(to, from)) {
      this.#links.set(name, { from: one, to: other, up: true, lastArrival: this.world.now, held: [] });
      one.linkUp(to);
      return;
    }
    this.#dialling.add(name);
    this.world.at(this.world.now + redial_ms * (0.5 + this.prng.float()), () => this.#dialled(from, to));
  }

  #isCut(from: NodeId, to: NodeId): boolean {
    return this.#cuts.has(nameOf(from, to));
  }
}

function nameOf(from: NodeId, to: NodeId): string {
  return `${from} ${to}`;
}
