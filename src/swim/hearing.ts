/**
 * What a node does with what others say: news into the table, answers to questions. All answers to one
 * packet or frame go back in one, so that no sender can make this node say much more than it said itself.
 */
import { unreachable } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import type { Coordinate } from "../wire/gossip-coordinate.ts";
import {
  encodeRecord,
  type GossipRecord,
  isNewsRecord,
  isProbeRecord,
  type NewsRecord,
  type ProbeRecord,
} from "../wire/gossip-records.ts";
import { type GossipAddress, sameAddress } from "../wire/gossip-values.ts";
import { applyCertificate, certificateRecord } from "./certificates.ts";
import { hearFailed } from "./early-failure.ts";
import { membersLimit, type SwimMember } from "./members.ts";
import { accusation, sendFrame, sendPacket } from "./packets.ts";
import type { Probing } from "./probing.ts";
import type { PushPull } from "./push-pull.ts";
import { recordOf, type SwimState } from "./state.ts";
import { hearRemoved, removedRecord } from "./removal.ts";
import { applyAlive, applyLeft, applyLoad, applyMemberState, applySuspect, type Verdict } from "./updates.ts";

/** Who speaks. An address that packets may come from and that answers go to; null for a stream. */
export interface Origin {
  readonly from: NodeId;
  readonly boot: number | null;
  readonly address: GossipAddress | null;
}

/** Answers to questions first: what does not fit is repeated by news anyway. */
class Reply {
  readonly #answers: Uint8Array[] = [];
  /** What is true of a subject, once, however often it was said wrong. */
  readonly #corrections = new Map<NodeId, readonly Uint8Array[]>();

  answer(...records: readonly Uint8Array[]): void {
    this.#answers.push(...records);
  }

  correct(node: NodeId, ...records: readonly Uint8Array[]): void {
    this.#corrections.set(node, records);
  }

  get records(): Uint8Array[] {
    return [...this.#answers, ...[...this.#corrections.values()].flat()];
  }
}

/** More packets than that in a row are seldom lost. */
const whereMost = 3;

export class Hearing {
  /** How often a member was asked where it is, in which life. */
  readonly #askedWhere = new Map<NodeId, { readonly boot: number; readonly times: number }>();

  constructor(
    private readonly state: SwimState,
    private readonly probing: Probing,
    private readonly pushPull: PushPull,
  ) {}

  hear(origin: Origin, records: readonly GossipRecord[]): void {
    const { state } = this;
    if (origin.from === state.self || state.phase === "outside" || state.phase === "removed") {
      state.refuse("unexpected");
      return;
    }
    const reply = new Reply();
    // News first, so that the questions of the same packet are answered with it known.
    for (const record of records) if (isNewsRecord(record)) this.#learn(origin.from, record, reply);
    const sender = state.members.get(origin.from);
    if (sender && (origin.boot === null || origin.boot === sender.incarnation.boot)) sender.heard = state.now;
    if (sender && origin.boot === sender.incarnation.boot) sender.isHearsay = false;
    const place = records.find((record) => record.kind === "coordinate")?.coordinate;
    for (const record of questionsOf(records)) this.#answer(origin, record, reply, place);
    const said = reply.records;
    if (said.length === 0) return;
    const { from, address } = origin;
    if (address) sendPacket(state, from, address, said);
    else sendFrame(state, from, said);
  }

  #learn(from: NodeId, record: NewsRecord, reply: Reply): void {
    const { state } = this;
    const { node } = record;
    switch (record.kind) {
      case "alive":
        this.#judge(applyAlive(state, record, from), from, node, reply);
        return;
      case "suspect":
        this.#judge(applySuspect(state, node, record.incarnation, record.accuser), from, node, reply);
        return;
      case "failed":
        this.#judge(hearFailed(state, node, record.incarnation, record.accuser), from, node, reply);
        return;
      case "left":
        this.#judge(applyLeft(state, node, record.incarnation, from), from, node, reply);
        return;
      case "removed":
        this.#judge(hearRemoved(state, node, record.incarnation, from), from, node, reply);
        return;
      case "grave":
        if (hearRemoved(state, node, record.incarnation, from, record.age_ms) === "doubted")
          this.#askAnother(from, node);
        return;
      case "load":
        applyLoad(state, record);
        return;
      case "certificate":
        applyCertificate(state, record, from);
        return;
      case "member":
        this.#judge(applyMemberState(state, record, from), from, node, reply);
        return;
      default:
        unreachable(record);
    }
  }

  /** `place` is the sender's coordinate, when it told it. */
  #answer(origin: Origin, record: ProbeRecord, reply: Reply, place: Coordinate | undefined): void {
    const { state } = this;
    switch (record.kind) {
      case "probe":
        if (record.target !== state.self) {
          state.refuse("misaddressed");
          return;
        }
        reply.answer(
          encodeRecord({ kind: "ack", sequence: record.sequence }),
          ...this.#whatIsHeldAgainst(origin),
          encodeRecord({ kind: "coordinate", coordinate: state.coordinates.own }),
        );
        return;
      case "probe-request":
        if (origin.address) this.probing.relay(origin.from, origin.address, record);
        else state.refuse("unexpected");
        return;
      case "ack":
        this.probing.acked(origin.from, record.sequence, origin.address !== null, place);
        return;
      case "coordinate":
        return;
      case "nack":
        this.probing.nacked(origin.from, record.sequence);
        return;
      case "introduce":
        reply.answer(recordOf(state, state.me));
        return;
      case "push-pull":
        if (record.reply) this.pushPull.exchange(origin.from, false);
        return;
      default:
        unreachable(record);
    }
  }

  /** A stale word is answered: by this node about itself, or with what stands in the table about its subject. */
  #judge(verdict: Verdict, from: NodeId, node: NodeId, reply: Reply): void {
    const { state } = this;
    if (verdict === "doubted") this.#askAnother(from, node);
    if (verdict !== "answer") return;
    const member = state.members.get(node);
    const grave = state.members.grave(node);
    const certificate = member && state.certificates.covers(node, member.incarnation.boot);
    if (member && certificate) reply.correct(node, certificateRecord(certificate), recordOf(state, member));
    else if (member) reply.correct(node, recordOf(state, member));
    else if (grave && state.members.removedLife(node) !== undefined)
      reply.correct(node, removedRecord(node, grave));
    // Forgotten after it was lost for long: it refutes that, and comes back.
    else if (grave)
      reply.correct(node, encodeRecord({ kind: "failed", node, incarnation: grave, accuser: state.self }));
  }

  /** Whether it is in the table of another member, too. */
  #askAnother(teller: NodeId, subject: NodeId): void {
    const other = this.state.someAlive(2, teller).find(({ id }) => id !== subject);
    if (other) this.pushPull.exchange(other.id, true);
  }

  /** A prober that is unknown here, or of another life, is asked who it is; an accused or removed one is told. */
  #whatIsHeldAgainst(origin: Origin): Uint8Array[] {
    const { state } = this;
    const member = state.members.get(origin.from);
    const grave = state.members.grave(origin.from);
    if (!member && grave && state.members.removedLife(origin.from) === origin.boot)
      return [removedRecord(origin.from, grave)];
    if (!member) return [encodeRecord({ kind: "introduce" })];
    const isOther = origin.boot !== null && origin.boot !== member.incarnation.boot;
    if (isOther && (member.isHearsay || (origin.boot ?? 0) > member.incarnation.boot))
      return [encodeRecord({ kind: "introduce" })];
    if (this.#isElsewhere(origin, member)) return [encodeRecord({ kind: "introduce" })];
    return accusation(state, member);
  }

  /**
   * It speaks from another address than others told, one of whom may have lied. Asked a few times in a life: behind an
   * address translation it always does.
   */
  #isElsewhere(
    { from, address }: Origin,
    { status, address: told, incarnation: { boot } }: SwimMember,
  ): boolean {
    if (status !== "alive" || !address || sameAddress(address, told)) return false;
    const known = this.#askedWhere.get(from);
    const times = known?.boot === boot ? known.times : 0;
    if (times >= whereMost) return false;
    this.#askedWhere.delete(from);
    this.#askedWhere.set(from, { boot, times: times + 1 });
    for (const oldest of this.#askedWhere.keys()) {
      if (this.#askedWhere.size <= membersLimit) break;
      this.#askedWhere.delete(oldest);
    }
    return true;
  }
}

/** What makes this node send is asked once a packet by whoever is honest. */
const askedMost = 4;

function questionsOf(records: readonly GossipRecord[]): ProbeRecord[] {
  const questions: ProbeRecord[] = [];
  for (const record of records) {
    if (!isProbeRecord(record)) continue;
    const most = record.kind === "push-pull" ? 1 : askedMost;
    const before = questions.reduce((sum, { kind }) => sum + (kind === record.kind ? 1 : 0), 0);
    if (before < most) questions.push(record);
  }
  return questions;
}
