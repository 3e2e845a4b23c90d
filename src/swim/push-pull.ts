/**
 * Whole tables between two members, now and then: what packets lost is repaired here. Each frame of it
 * stands alone and may be merged twice or in any order.
 */
import type { NodeId } from "../base/ids.ts";
import { encodeRecord, frameLimit_bytes, type GossipRecord } from "../wire/gossip-records.ts";
import { certificateRecord } from "./certificates.ts";
import type { Grave, SwimMember } from "./members.ts";
import { neighboursOf } from "./neighbours.ts";
import { frameRecords, sendFrame } from "./packets.ts";
import type { SwimState } from "./state.ts";
import { pushPullScale } from "./timing.ts";

/** The newest: of older ones every member has heard long since. */
const gravesCarried = 256;
const frameBudget_bytes = frameLimit_bytes - 64;
/**
 * One exchange in so many is with any member. The others are with a neighbour, to whom a stream is open anyway:
 * a handshake costs both ends more than all the packets between two exchanges. Either repairs what packets lost.
 */
const anybodyEvery = 4;

export class PushPull {
  #nextAt = Infinity;
  #exchanges = 0;

  constructor(private readonly state: SwimState) {}

  begin(): void {
    this.#plan();
  }

  due(): number {
    return this.#nextAt;
  }

  run(): void {
    if (this.#nextAt > this.state.now) return;
    this.#plan();
    const partner = this.#partner();
    if (partner !== undefined) this.exchange(partner, true);
  }

  #partner(): NodeId | undefined {
    const { state } = this;
    if (++this.#exchanges % anybodyEvery === 0) return state.someAlive(1)[0]?.id;
    const alive = state.members.alive.map(({ id }) => id);
    return state.prng.pick(neighboursOf(state.self, alive));
  }

  /** Sends the table; `reply` asks for the other's. */
  exchange(node: NodeId, reply: boolean): void {
    for (const [i, frame] of tableFrames(this.state).entries()) {
      const mark = encodeRecord({ kind: "push-pull", reply: reply && i === 0 });
      sendFrame(this.state, node, [mark, ...frame]);
    }
    this.state.emit({ kind: "exchange", node });
  }

  #plan(): void {
    const { state } = this;
    const interval_ms = state.timing.pushPull_ms * pushPullScale(state.members.present);
    this.#nextAt = state.now + interval_ms * (0.75 + state.prng.float() / 2);
  }
}

/** The table as encoded records, in frames below 64 KiB; this node's own row is in the first. */
export function tableFrames(state: SwimState): Uint8Array[][] {
  const frames: Uint8Array[][] = [[]];
  let room_bytes = frameBudget_bytes;
  const add = (records: readonly Uint8Array[]): void => {
    const length = records.reduce((sum, one) => sum + one.length, 0);
    if (length > room_bytes || (frames.at(-1)?.length ?? 0) + records.length >= frameRecords) {
      frames.push([]);
      room_bytes = frameBudget_bytes;
    }
    room_bytes -= length;
    frames.at(-1)?.push(...records);
  };
  for (const member of [state.me, ...state.members.all()]) {
    if (member.id === state.self && (frames[0]?.length ?? 0) > 0) continue;
    // Before its row, which would otherwise make a life present that has certainly ended.
    const certificate = state.certificates.covers(member.id, member.incarnation.boot);
    const record = encodeRecord(stateRecord(state, member));
    add(certificate ? [certificateRecord(certificate), record] : [record]);
  }
  for (const grave of state.members.removed(gravesCarried)) add([graveRecord(state, grave)]);
  return frames;
}

function graveRecord(
  state: SwimState,
  { id, incarnation, until }: Grave & { readonly id: NodeId },
): Uint8Array {
  const age_ms = Math.max(0, Math.floor(state.now + state.timing.grave_ms - until));
  return encodeRecord({ kind: "grave", node: id, incarnation, age_ms });
}

function stateRecord(state: SwimState, member: SwimMember): GossipRecord {
  return {
    kind: "member",
    node: member.id,
    incarnation: member.incarnation,
    address: member.address,
    tags: member.tags,
    status: member.status,
    age_ms: Math.max(0, Math.floor(state.now - member.since)),
    loadSequence: member.loadSequence,
    load: member.load,
  };
}
