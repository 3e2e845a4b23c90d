/**
 * Nobody is given up: seeds and lost members are contacted for ever, ever more slowly up to a limit, and
 * a failed member is now and then sent what it is accused of. Two halves of a healed partition find each
 * other so with no outside help, and a node that starts before its seeds joins when they are up.
 */
import type { NodeId } from "../base/ids.ts";
import { encodeRecord } from "../wire/gossip-records.ts";
import type { SeedAddress } from "./effects.ts";
import { isPresent } from "./members.ts";
import { accusation, sendPacket } from "./packets.ts";
import { recordOf, type SwimState } from "./state.ts";

interface Target {
  readonly address: SeedAddress;
  /** Who lives there, once it was learned. */
  node: NodeId | null;
  backoff_ms: number;
  at: number;
  /** It was, when last looked at. */
  reached: boolean;
  readonly seed: boolean;
}

interface Pending {
  readonly target: Target;
  readonly until: number;
}

const seedsLimit = 256;
const contactsLimit = 4;
/** And of lost members but one: a handshake costs far more than a packet, and packets heal most partitions. */
const lostContactsLimit = 1;
/** All members together contact a lost one about so often a second at first. */
const lostContactsPerSecond = 4;
/** One whose outcome is never told counts as failed after so many of its time-outs. */
const forgottenAfter = 3;
/** A contact from outside may take so many times as long as was waited for it. */
const patience = 2;
/** Whether a target is still reached is looked at this often. */
const reachedCheck_ms = 1_000;

export class Reconnecting {
  readonly #targets = new Map<string, Target>();
  readonly #pending = new Map<number, Pending>();
  #contact = 0;
  #deadProbeAt = Infinity;
  #lookAt = Infinity;
  #dueAt = Infinity;
  #sequence: number;

  constructor(private readonly state: SwimState) {
    this.#sequence = state.prng.u32();
  }

  begin(): void {
    this.#deadProbeAt = this.state.now + this.state.timing.deadProbe_ms;
  }

  /** Adds seeds; ones beyond the limit are refused by name at the configuration's edge, ignored here. */
  join(seeds: readonly SeedAddress[]): void {
    for (const address of seeds) {
      const key = keyOf(address);
      if (this.#targets.size >= seedsLimit || this.#targets.get(key)?.seed) continue;
      this.#targets.set(key, this.#target(address, null, true));
    }
    this.#plan();
  }

  /** Who is reached, and a table without the gone, can wait for the tick that there is in each period anyway. */
  due(): number {
    return Math.min(this.#hasGone ? this.#deadProbeAt : Infinity, this.#dueAt);
  }

  get #hasGone(): boolean {
    const { members } = this.state;
    return members.present < members.size;
  }

  run(): void {
    const { state } = this;
    if (this.#deadProbeAt <= state.now) {
      this.#deadProbeAt = state.now + state.timing.deadProbe_ms;
      this.#watchLost();
      this.#probeDead();
    }
    if (this.#lookAt > state.now) return;
    for (const target of this.#next()) {
      if (target.at > state.now) continue;
      target.reached = this.#reached(target);
      if (target.reached) target.at = state.now + reachedCheck_ms;
      else this.#ask(target);
    }
    this.#plan();
  }

  #ask(target: Target): void {
    const { state } = this;
    const timeout_ms = this.#timeout_ms(target);
    this.#contact++;
    this.#pending.set(this.#contact, { target, until: state.now + forgottenAfter * timeout_ms });
    state.emit({ kind: "contact", contact: this.#contact, address: target.address, timeout_ms });
  }

  /** After any change of the targets: when they are looked at next, and when a wake-up is worth it. */
  #plan(): void {
    [this.#lookAt, this.#dueAt] = [Infinity, Infinity];
    for (const { at, reached } of this.#next()) {
      this.#lookAt = Math.min(this.#lookAt, at);
      if (!reached) this.#dueAt = Math.min(this.#dueAt, at);
    }
    for (const { until } of this.#pending.values()) this.#lookAt = Math.min(this.#lookAt, until);
  }

  /** Whose turn may come: as many seeds as may be contacted at once, and the lost member that waits the longest. */
  #next(): Target[] {
    for (const [contact, { until }] of this.#pending)
      if (until <= this.state.now) this.contacted(contact, null);
    const pending = new Set([...this.#pending.values()].map(({ target }) => target));
    const lostPending = [...pending].filter(({ seed }) => !seed).length;
    const waiting = [...this.#targets.values()].filter((target) => !pending.has(target));
    const seeds = waiting.filter(({ seed }) => seed);
    const lost = waiting.filter(({ seed }) => !seed).sort((a, b) => a.at - b.at);
    const seedsFree = contactsLimit - (pending.size - lostPending);
    return [
      ...seeds.filter(({ reached }) => reached),
      ...seeds
        .filter(({ reached }) => !reached)
        .sort((a, b) => a.at - b.at)
        .slice(0, seedsFree),
      ...lost.slice(0, lostContactsLimit - lostPending),
    ];
  }

  /**
   * Outside, each failure gives the next contact more time: where all start at once on starved machines, whoever
   * gives up and dials anew only makes its seed repeat what it had done. A member has others to hear from.
   */
  #timeout_ms({ backoff_ms }: Target): number {
    const { timing, phase } = this.state;
    if (phase !== "outside") return timing.streamTimeout_ms;
    return Math.max(timing.streamTimeout_ms, Math.min(patience * backoff_ms, timing.reconnectLimit_ms));
  }

  /** The outcome of a contact: who answered with a welcome, or null. */
  contacted(contact: number, by: NodeId | null): void {
    this.#ended(contact, by);
    this.#plan();
  }

  #ended(contact: number, by: NodeId | null): void {
    const target = this.#pending.get(contact)?.target;
    this.#pending.delete(contact);
    if (!target) return;
    const { timing, now, prng } = this.state;
    if (by !== null) target.node = by;
    target.backoff_ms =
      by === null ? Math.min(target.backoff_ms * 2, timing.reconnectLimit_ms) : timing.reconnect_ms;
    // A welcome by a node that the table does not show as alive yet is tried again only after a while.
    const wait_ms = by === null ? target.backoff_ms : timing.reconnectLimit_ms;
    target.at = now + wait_ms * (0.75 + prng.float() / 2);
  }

  /** Its member is here, or it is this node itself. */
  #reached(target: Target): boolean {
    if (this.state.phase === "outside") return false;
    if (target.node === this.state.self) return true;
    const known = target.node === null ? undefined : this.state.members.get(target.node);
    if (known && isPresent(known)) return true;
    const { host, port } = target.address;
    for (const member of this.state.members.all()) {
      if (!isPresent(member)) continue;
      if (member.address.port === port && member.address.host === host) return true;
    }
    return false;
  }

  /** Lost members become targets too; reached or forgotten ones stop being targets. */
  #watchLost(): void {
    for (const [key, target] of this.#targets) {
      if (target.seed || this.#isPending(target)) continue;
      const member = target.node === null ? undefined : this.state.members.get(target.node);
      if (!member || isPresent(member)) this.#targets.delete(key);
    }
    for (const member of this.#hasGone ? this.state.members.all() : []) {
      if (isPresent(member) || this.#targets.size >= seedsLimit) continue;
      const key = keyOf(member.address);
      if (!this.#targets.has(key)) this.#targets.set(key, this.#target(member.address, member.id, false));
    }
    this.#plan();
  }

  #probeDead(): void {
    const { state } = this;
    const dead = this.#hasGone ? [...state.members.all()].filter(({ status }) => status === "failed") : [];
    const member = state.prng.pick(dead);
    if (!member) return;
    this.#sequence = (this.#sequence + 1) >>> 0;
    const probe = encodeRecord({ kind: "probe", sequence: this.#sequence, target: member.id });
    const records = [probe, ...accusation(state, member), recordOf(state, state.me)];
    sendPacket(state, member.id, member.address, records);
  }

  /** A lost one is left in peace the longer the more others there are to contact it, and the worse this node feels. */
  #target(address: SeedAddress, node: NodeId | null, seed: boolean): Target {
    const { timing, now, members, awareness, prng } = this.state;
    if (seed) return { address, node, backoff_ms: timing.reconnect_ms, at: now, reached: false, seed };
    const share_ms = (members.present / lostContactsPerSecond) * 1_000 * prng.float();
    const wait_ms = Math.max(
      timing.reconnect_ms,
      Math.min(share_ms * awareness.factor, timing.reconnectLimit_ms),
    );
    return { address, node, backoff_ms: wait_ms, at: now + wait_ms, reached: false, seed };
  }

  #isPending(target: Target): boolean {
    for (const pending of this.#pending.values()) if (pending.target === target) return true;
    return false;
  }
}

function keyOf(address: SeedAddress): string {
  return `${address.host} ${address.port}`;
}
