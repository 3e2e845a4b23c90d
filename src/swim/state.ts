/**
 * What the parts of the SWIM core share: tables, queues, the present moment, and the effects so far.
 * Every other file of this folder is functions or small classes over it.
 */
import { present } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { encodeRecord } from "../wire/gossip-records.ts";
import type { NodeTags } from "../wire/gossip-tags.ts";
import type { GossipAddress } from "../wire/gossip-values.ts";
import { Awareness } from "./awareness.ts";
import { Accusers } from "./accusers.ts";
import { CertificateTable } from "./certificate-table.ts";
import { type CoordinateRefusal, Coordinates } from "./coordinates.ts";
import { Rumors } from "./dissemination.ts";
import type { SwimEffect } from "./effects.ts";
import { JoinStorm, stormCaution } from "./join-storm.ts";
import { Members, type SwimMember } from "./members.ts";
import { NewLives } from "./new-lives.ts";
import { ProbeOrder } from "./probe-order.ts";
import { RemovalProofs } from "./removal-proof.ts";
import type { Timing } from "./timing.ts";

export interface SwimOptions {
  readonly self: NodeId;
  /** The persisted count of this node's starts: the high part of its incarnation. */
  readonly boot: number;
  readonly address: GossipAddress;
  readonly tags: NodeTags;
  readonly timing: Timing;
  /** Of this node's own generator. */
  readonly seed: number;
  /** Of one packet, before sealing. */
  readonly payloadLimit_bytes: number;
  /** As the SWIM paper has it, without Lifeguard and what else keeps the well from being accused: to compare with. */
  readonly plain?: boolean | undefined;
  /** Left free in packets that carry a probe or an ack, for what the driver adds. */
  readonly reserved_bytes: number;
}

/** What is refused, for the counters. */
export type RefusedReason =
  | "stale"
  | "poisoned"
  | "misaddressed"
  | "unknown_accuser"
  /** One source accused more members than an honest one can. */
  | "too_many_accusations"
  /** Of a new life so far only one other speaks. */
  | "unvouched_life"
  /** An operator's word that so far only one other tells. */
  | "unproven_removal"
  /** A life whose end its launcher has certified. */
  | "certified_dead"
  | "too_many_members"
  | "unexpected"
  /** A record of ours that had no room beside the others of its packet. */
  | "crowded_out"
  | CoordinateRefusal
  /** This node's own coordinate was no place any more and began anew. */
  | "coordinate_reset";

/** Among so many times more than are wanted, picking until enough are found takes few tries. */
const fewFor = 4;

/** `outside`: not in a cluster yet. `leaving`: said goodbye, still answering. `removed`: deaf and dumb for good. */
export type Phase = "outside" | "inside" | "leaving" | "removed";

export class SwimState {
  readonly self: NodeId;
  readonly members = new Members();
  readonly rumors = new Rumors();
  readonly awareness: Awareness;
  readonly plain: boolean;
  readonly accusers = new Accusers();
  readonly newLives = new NewLives();
  readonly proofs = new RemovalProofs();
  readonly certificates = new CertificateTable();
  readonly #storm = new JoinStorm();
  #stormUntil = 0;
  readonly prng: Prng;
  readonly order: ProbeOrder;
  readonly coordinates: Coordinates;
  timing: Timing;
  phase: Phase = "outside";
  now: number;
  effects: SwimEffect[] = [];
  /** Boot epochs above it are refused: nobody can start in the future. */
  bootCeiling = Infinity;
  readonly refused = new Map<RefusedReason, number>();

  constructor(
    readonly options: SwimOptions,
    now: number,
  ) {
    this.self = options.self;
    this.timing = options.timing;
    this.plain = options.plain ?? false;
    this.awareness = new Awareness(this.plain);
    this.now = now;
    this.prng = new Prng(options.seed);
    this.order = new ProbeOrder(options.self, this.prng);
    // Of its own, so that measuring changes no other choice.
    this.coordinates = new Coordinates(options.seed ^ 0x5bd1e995);
    const { self, boot, address, tags } = options;
    this.members.insert({ id: self, address, incarnation: { boot, counter: 0 }, status: "alive", tags }, now);
  }

  get me(): SwimMember {
    return present(this.members.get(this.self), "this node's own row");
  }

  emit(effect: SwimEffect): void {
    this.effects.push(effect);
  }

  refuse(reason: RefusedReason): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }

  /** Somebody became present: many at once raise this node's caution. */
  joined(): void {
    if (!this.#storm.joined(this.now, this.members.present)) return;
    this.#stormUntil = this.now + this.#storm.lasts_ms;
    this.awareness.caution(stormCaution, this.#stormUntil);
  }

  /** Many joined or came back in the last seconds. */
  get isStormy(): boolean {
    return this.now < this.#stormUntil;
  }

  /**
   * It came but now, with many others: both ends are busy with that, and its silence proves nothing. Asking helpers
   * and dialling it would only make it worse.
   */
  isArriving(member: SwimMember): boolean {
    if (this.plain || !this.isStormy || member.status !== "alive") return false;
    return this.now - member.since < this.#storm.lasts_ms;
  }

  /** What is kept beside the table of a member that is buried. */
  forget(node: NodeId): void {
    this.coordinates.forget(node);
    this.accusers.forget(node);
  }

  /** Others that are thought to be alive, not even suspect. */
  aliveOthers(): SwimMember[] {
    return this.members.alive.filter((member) => member.id !== this.self);
  }

  get hasAliveOthers(): boolean {
    const { alive } = this.members;
    return alive.length > 1 || (alive[0] !== undefined && alive[0].id !== this.self);
  }

  /** Up to `count` of them at random, none of `except`. */
  someAlive(count: number, except?: NodeId): SwimMember[] {
    const { alive } = this.members;
    const isOther = ({ id }: SwimMember): boolean => id !== this.self && id !== except;
    if (alive.length < fewFor * (count + 2)) return this.prng.shuffle(alive.filter(isOther)).slice(0, count);
    const chosen = new Set<SwimMember>();
    while (chosen.size < count) {
      const member = this.prng.pick(alive);
      if (member && isOther(member)) chosen.add(member);
    }
    return [...chosen];
  }
}

/** The record that says what the table says of a member: its alive update, or what it is accused of. */
export function recordOf(state: SwimState, member: SwimMember): Uint8Array {
  const { id: node, incarnation, address, tags, status } = member;
  switch (status) {
    case "alive":
      return encodeRecord({ kind: "alive", node, incarnation, address, tags });
    case "suspect":
    case "failed":
      return encodeRecord({ kind: status, node, incarnation, accuser: state.self });
    case "left":
      return encodeRecord({ kind: "left", node, incarnation });
  }
}

/** One subject a member: the newest word about it replaces older news. */
export function memberKey(node: NodeId): string {
  return `member ${node}`;
}

export function spreadMember(state: SwimState, member: SwimMember): void {
  state.rumors.add(memberKey(member.id), "membership", recordOf(state, member));
}
