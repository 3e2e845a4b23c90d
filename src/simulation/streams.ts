/**
 * Gossip's streams between simulated nodes: frames in order and at most once over connections that are
 * dialled, break and are dialled again; hellos and their answers. As TCP with TLS behaves, without its bytes.
 */
import type { Prng } from "../base/prng.ts";
import { RingQueue } from "../base/ring-queue.ts";
import type { ContactOutcome } from "../cluster/gossip/reports.ts";
import type { VirtualClock } from "../platform/memory/clock.ts";
import type { Links } from "./links.ts";
import { generatorOf } from "./generator.ts";
import { toTicks_ms } from "./ticks.ts";

/** Resends of a segment: first after this, doubling up to the longest; after the last the connection is dead. */
const resendFirst_ms = 200;
const resendLongest_ms = 3_200;
export const silence_ms = 15_000;
const redialFirst_ms = 100;
const redialLongest_ms = 5_000;
/** TCP's handshake and TLS's. */
const handshakeRoundTrips = 2;
const queueLimit_bytes = 64 * 1024 * 1024;

/** Each has its own connection, as with `Peers`. */
export type StreamKind = "gossip" | "message";

/** What a stream needs to know of the machine at its other end. */
export interface StreamEnd {
  /** Undefined while no process runs there. */
  readonly life: () => number | undefined;
  readonly powered: () => boolean;
  /** Stands still: its kernel takes bytes, but nobody answers a handshake. */
  readonly paused: () => boolean;
  /** Its network stands still. */
  readonly stalled: () => boolean;
  readonly receive: (task: () => void) => void;
  readonly frame: (from: number, kind: StreamKind, bytes: Uint8Array) => void;
  /** The connection of this kind to that node broke; what was on it may be lost. */
  readonly linkDown: (to: number, kind: StreamKind) => void;
  readonly answerHello: (hello: Uint8Array, from: number) => Uint8Array;
}

export interface StreamWorld {
  readonly clock: VirtualClock;
  readonly links: Links;
  readonly ends: readonly StreamEnd[];
  readonly loss: number;
  readonly seed: number;
}

/** The streams that one life of a node dials. */
export class SimulatedStreams {
  readonly #connections = new Map<string, Connection>();
  readonly #prng: Prng;
  sent_bytes = 0;

  constructor(
    private readonly world: StreamWorld,
    private readonly self: number,
    private readonly life: number,
  ) {
    this.#prng = generatorOf(world.seed, `streams of ${self} ${life}`);
  }

  send(to: number, kind: StreamKind, bytes: Uint8Array): boolean {
    if (!this.world.ends[to] || this.#over()) return false;
    this.sent_bytes += bytes.length;
    const key = `${to} ${kind}`;
    let connection = this.#connections.get(key);
    if (!connection) {
      connection = new Connection(this.world, this.self, to, kind, this.#prng, () => this.#over());
      this.#connections.set(key, connection);
    }
    return connection.send(bytes);
  }

  /** The connections to that node are closed from either side. */
  broken(to: number): void {
    for (const kind of ["gossip", "message"] as const) this.#connections.get(`${to} ${kind}`)?.broken();
  }

  /** Dials, says hello, waits for the answer. `to` may be no machine at all. */
  contact(
    to: number,
    hello: Uint8Array,
    timeout_ms: number,
    done: (outcome: ContactOutcome, by: number) => void,
  ): void {
    const { clock, links } = this.world;
    const end = this.world.ends[to];
    let settled = false;
    const settle = (outcome: ContactOutcome): void => {
      if (settled || this.#over()) return;
      settled = true;
      timer.cancel();
      done(outcome, to);
    };
    const fail = (code: string, reason: string): void => settle({ kind: "failed", code, reason });
    const timer = clock.after(toTicks_ms(timeout_ms), () =>
      fail("timeout", `timed out after ${timeout_ms} ms`),
    );
    const passes = (): boolean => links.passes(this.self, to) && links.passes(to, this.self);
    if (!end?.powered() || !passes()) return;
    const one_ms = links.delay_ms(this.self, to);
    if (end.life() === undefined) {
      clock.after(toTicks_ms(2 * one_ms), () => fail("unreachable", "connection refused"));
      return;
    }
    const late_ms = this.#prng.chance(this.world.loss) ? resendFirst_ms : 0;
    clock.after(toTicks_ms((2 * handshakeRoundTrips + 1) * one_ms + late_ms), () => {
      const there = end.life();
      if (there === undefined || !passes()) return;
      end.receive(() => {
        if (end.life() !== there || settled) return;
        const reply = end.answerHello(hello, this.self);
        clock.after(toTicks_ms(one_ms), () => {
          if (passes()) settle({ kind: "answered", by: nameless, reply });
        });
      });
    });
  }

  #over(): boolean {
    return this.world.ends[this.self]?.life() !== this.life;
  }
}

/** Filled in by the node, which knows names. */
const nameless = "" as never;

class Connection {
  readonly #queue = new RingQueue<Uint8Array>();
  #queued_bytes = 0;
  /** The life at the other end of the open connection. */
  #peerLife: number | null = null;
  #busy = false;
  #redial_ms = redialFirst_ms;

  constructor(
    private readonly world: StreamWorld,
    private readonly from: number,
    private readonly to: number,
    private readonly kind: StreamKind,
    private readonly prng: Prng,
    private readonly over: () => boolean,
  ) {}

  send(bytes: Uint8Array): boolean {
    if (this.#queued_bytes + bytes.length > queueLimit_bytes) return false;
    this.#queue.push(bytes);
    this.#queued_bytes += bytes.length;
    this.#next();
    return true;
  }

  broken(): void {
    if (this.#peerLife !== null && !this.#busy) this.#lose();
  }

  #next(): void {
    if (this.#busy || this.#queue.length === 0 || this.over()) return;
    this.#busy = true;
    if (this.#peerLife === null) this.#dial();
    else this.#transmit(this.#takeAll(), this.#peerLife, resendFirst_ms, 0);
  }

  #dial(): void {
    const end = this.#end();
    const handshake_ms = 2 * handshakeRoundTrips * this.world.links.delay_ms(this.from, this.to);
    this.#after(handshake_ms, () => {
      const life = end?.life();
      this.#busy = false;
      if (life !== undefined && end?.powered() && !end.paused() && this.#passesBothWays()) {
        this.#peerLife = life;
        this.#redial_ms = redialFirst_ms;
        this.#next();
        return;
      }
      this.#lose();
    });
  }

  /** Tries until the bytes are there, the other process is another one, or the silence lasted too long. */
  #transmit(frames: readonly Uint8Array[], life: number, resend_ms: number, silent_ms: number): void {
    const end = this.#end();
    const lost = this.prng.chance(this.world.loss);
    this.#after(this.world.links.delay_ms(this.from, this.to), () => {
      if (!lost && this.#passesBothWays() && end?.powered()) {
        this.#busy = false;
        if (end.life() !== life) {
          this.#lose();
          return;
        }
        end.receive(() => {
          if (end.life() === life) for (const bytes of frames) end.frame(this.from, this.kind, bytes);
        });
        this.#next();
      } else if (silent_ms >= silence_ms) {
        this.#busy = false;
        this.#lose();
      } else {
        const next_ms = Math.min(resendLongest_ms, resend_ms * 2);
        this.#after(resend_ms, () => this.#transmit(frames, life, next_ms, silent_ms + resend_ms));
      }
    });
  }

  /** What was written is lost; what was not is tried over a new connection, ever more slowly. */
  #lose(): void {
    if (this.#peerLife !== null) this.world.ends[this.from]?.linkDown(this.to, this.kind);
    this.#peerLife = null;
    if (this.#queue.length === 0) return;
    this.#busy = true;
    const wait_ms = this.#redial_ms * (0.5 + this.prng.float() / 2);
    this.#redial_ms = Math.min(redialLongest_ms, this.#redial_ms * 2);
    this.#after(wait_ms, () => {
      this.#busy = false;
      this.#next();
    });
  }

  #takeAll(): Uint8Array[] {
    const frames = [...this.#queue];
    this.#queue.clear();
    this.#queued_bytes = 0;
    return frames;
  }

  #after(delay_ms: number, then: () => void): void {
    this.world.clock.after(toTicks_ms(delay_ms), () => {
      if (!this.over()) then();
    });
  }

  #passesBothWays(): boolean {
    const { links, ends } = this.world;
    if (ends[this.from]?.stalled() === true || this.#end()?.stalled() === true) return false;
    return links.passes(this.from, this.to) && links.passes(this.to, this.from);
  }

  #end(): StreamEnd | undefined {
    return this.world.ends[this.to];
  }
}
