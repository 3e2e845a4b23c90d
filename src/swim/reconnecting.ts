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

const seedsLimit = 256;
const contactsLimit = 4;
/** Whether a target is still reached is looked at this often. */
const reachedCheck_ms = 1_000;

export class Reconnecting {
  readonly #targets = new Map<string, Target>();
  readonly #pending = new Map<number, string>();
  #contact = 0;
  #deadProbeAt = Infinity;
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
  }

  /** Who is reached, and a table without the gone, can wait for the tick that there is in each period anyway. */
  due(): number {
    const { members } = this.state;
    let due = members.present < members.size ? this.#deadProbeAt : Infinity;
    if (this.#pending.size >= contactsLimit) return due;
    for (const [key, target] of this.#targets) {
      if (!target.reached && !this.#isPending(key)) due = Math.min(due, target.at);
    }
    return due;
  }

  run(): void {
    const { state } = this;
    if (this.#deadProbeAt <= state.now) {
      this.#deadProbeAt = state.now + state.timing.deadProbe_ms;
      this.#watchLost();
      this.#probeDead();
    }
    for (const [key, target] of this.#targets) {
      if (this.#pending.size >= contactsLimit) return;
      if (target.at > state.now || this.#isPending(key)) continue;
      target.reached = this.#reached(target);
      if (target.reached) {
        target.at = state.now + reachedCheck_ms;
        continue;
      }
      this.#contact++;
      this.#pending.set(this.#contact, key);
      const timeout_ms = state.timing.streamTimeout_ms;
      state.emit({ kind: "contact", contact: this.#contact, address: target.address, timeout_ms });
    }
  }

  /** The outcome of a contact: who answered with a welcome, or null. */
  contacted(contact: number, by: NodeId | null): void {
    const key = this.#pending.get(contact);
    this.#pending.delete(contact);
    const target = key === undefined ? undefined : this.#targets.get(key);
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
    const { host, port } = target.address;
    for (const member of this.state.members.all()) {
      if (!isPresent(member)) continue;
      if (member.id === target.node || (member.address.port === port && member.address.host === host))
        return true;
    }
    return false;
  }

  /** Lost members become targets too; reached or forgotten ones stop being targets. */
  #watchLost(): void {
    for (const [key, target] of this.#targets) {
      if (target.seed || this.#isPending(key)) continue;
      const member = target.node === null ? undefined : this.state.members.get(target.node);
      if (!member || isPresent(member)) this.#targets.delete(key);
    }
    for (const member of this.state.members.all()) {
      if (isPresent(member) || this.#targets.size >= seedsLimit) continue;
      const key = keyOf(member.address);
      if (!this.#targets.has(key)) this.#targets.set(key, this.#target(member.address, member.id, false));
    }
  }

  #probeDead(): void {
    const { state } = this;
    const dead = [...state.members.all()].filter((member) => member.status === "failed");
    const member = state.prng.pick(dead);
    if (!member) return;
    this.#sequence = (this.#sequence + 1) >>> 0;
    const probe = encodeRecord({ kind: "probe", sequence: this.#sequence, target: member.id });
    const records = [probe, ...accusation(state, member), recordOf(state, state.me)];
    sendPacket(state, member.id, member.address, records);
  }

  #target(address: SeedAddress, node: NodeId | null, seed: boolean): Target {
    const { timing, now } = this.state;
    const at = seed ? now : now + timing.reconnect_ms;
    return { address, node, backoff_ms: timing.reconnect_ms, at, reached: false, seed };
  }

  #isPending(key: string): boolean {
    for (const pending of this.#pending.values()) if (pending === key) return true;
    return false;
  }
}

function keyOf(address: SeedAddress): string {
  return `${address.host} ${address.port}`;
}
