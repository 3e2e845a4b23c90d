/**
 * A node's lease on the raft thread's streams: the renewal that it sends to the leader, and the leader's grant or refusal. The
 * node names are the stream's own. The first byte is none of a raft message's or a greeting's; a frame of a newer
 * format is refused and counted like any other that cannot be read, and changes nothing.
 */
import { unreachable } from "../base/assert.ts";
import { Reader, WireError, Writer } from "./cursor.ts";

const renewalTag = 0xe3;
const grantTag = 0xe4;
const refusalTag = 0xe5;
const format = 1;

/** Longer terms than the configuration takes are nobody's. */
const termLimit_ms = 3_600_000;

/**
 * Why a renewal that was heard is not granted. `term`: it would count for longer than the leader waits. `unregistered`: the
 * control state does not have this life of the node. `given_away`: its agents are being given to others. `barred`: it gets
 * no more in this life, which has ended for the leader, or gives its agents away itself. New ones go to the end.
 */
export const leaseRefusals = ["term", "unregistered", "given_away", "barred"] as const;
export type LeaseRefusal = (typeof leaseRefusals)[number];

export type LeaseFrame =
  | {
      readonly kind: "renewal";
      /** The life of the node that asks. */
      readonly boot: number;
      /** Numbered by the node. */
      readonly renewal: number;
      /** How long it will count, from when it sent this. */
      readonly ttl_ms: number;
    }
  | {
      readonly kind: "grant";
      /** Of the renewal that is granted. */
      readonly boot: number;
      readonly renewal: number;
      /** The leader's last log index when it granted, committed or not. */
      readonly assignedUpTo: number;
      /** How long the leader waits after this grant before it gives anything away, by its own clock. */
      readonly wait_ms: number;
    }
  | {
      readonly kind: "refusal";
      /** Of the renewal that is not granted. */
      readonly boot: number;
      readonly renewal: number;
      readonly why: LeaseRefusal;
      /** The longest that the leader grants for. */
      readonly ttl_ms: number;
    };

export function isLeaseFrame(bytes: Uint8Array): boolean {
  return bytes[0] === renewalTag || bytes[0] === grantTag || bytes[0] === refusalTag;
}

export function encodeLeaseFrame(frame: LeaseFrame): Uint8Array {
  const writer = new Writer(40).u8(tagOf(frame)).u8(format).u64(frame.boot).u64(frame.renewal);
  switch (frame.kind) {
    case "renewal":
      return writer.u32(Math.ceil(frame.ttl_ms)).finish();
    case "grant":
      return writer.u64(frame.assignedUpTo).u32(Math.ceil(frame.wait_ms)).finish();
    case "refusal":
      // Never longer than it is: who is told adopts it.
      return writer.u8(leaseRefusals.indexOf(frame.why)).u32(Math.floor(frame.ttl_ms)).finish();
    default:
      return unreachable(frame);
  }
}

/** Throws `WireError`. */
export function decodeLeaseFrame(bytes: Uint8Array): LeaseFrame {
  const reader = new Reader(bytes);
  const tag = reader.u8();
  if (!isLeaseFrame(bytes)) throw new WireError("not a frame of a lease");
  const found = reader.u8();
  if (found !== format) throw new WireError(`frame of a lease in format ${found}`);
  const [boot, renewal] = [reader.u64(), reader.u64()];
  const frame = ((): LeaseFrame => {
    if (tag === renewalTag) return { kind: "renewal", boot, renewal, ttl_ms: term(reader) };
    if (tag === grantTag)
      return { kind: "grant", boot, renewal, assignedUpTo: reader.u64(), wait_ms: term(reader) };
    return { kind: "refusal", boot, renewal, why: refusal(reader), ttl_ms: term(reader) };
  })();
  reader.finish();
  return frame;
}

function tagOf({ kind }: LeaseFrame): number {
  if (kind === "renewal") return renewalTag;
  return kind === "grant" ? grantTag : refusalTag;
}

function refusal(reader: Reader): LeaseRefusal {
  const why = leaseRefusals[reader.u8()];
  if (why === undefined) throw new WireError("a lease refused for an unknown reason");
  return why;
}

function term(reader: Reader): number {
  const time_ms = reader.u32();
  if (time_ms === 0 || time_ms > termLimit_ms) throw new WireError("a lease of no sensible length");
  return time_ms;
}
