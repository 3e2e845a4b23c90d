/**
 * A node's lease on the raft thread's streams: the renewal that it sends to the leader, and the leader's grant. The
 * node names are the stream's own. The first byte is none of a raft message's or a greeting's; a frame of a newer
 * format is refused and counted like any other that cannot be read, and changes nothing.
 */
import { Reader, WireError, Writer } from "./cursor.ts";

const renewalTag = 0xe3;
const grantTag = 0xe4;
const format = 1;

/** Longer terms than the configuration takes are nobody's. */
const termLimit_ms = 3_600_000;

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
    };

export function isLeaseFrame(bytes: Uint8Array): boolean {
  return bytes[0] === renewalTag || bytes[0] === grantTag;
}

export function encodeLeaseFrame(frame: LeaseFrame): Uint8Array {
  const { kind, boot, renewal } = frame;
  const writer = new Writer(40)
    .u8(kind === "renewal" ? renewalTag : grantTag)
    .u8(format)
    .u64(boot)
    .u64(renewal);
  if (kind === "renewal") writer.u32(Math.ceil(frame.ttl_ms));
  else writer.u64(frame.assignedUpTo).u32(Math.ceil(frame.wait_ms));
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeLeaseFrame(bytes: Uint8Array): LeaseFrame {
  const reader = new Reader(bytes);
  const tag = reader.u8();
  if (tag !== renewalTag && tag !== grantTag) throw new WireError("not a frame of a lease");
  const found = reader.u8();
  if (found !== format) throw new WireError(`frame of a lease in format ${found}`);
  const [boot, renewal] = [reader.u64(), reader.u64()];
  const frame: LeaseFrame =
    tag === renewalTag
      ? { kind: "renewal", boot, renewal, ttl_ms: term(reader) }
      : { kind: "grant", boot, renewal, assignedUpTo: reader.u64(), wait_ms: term(reader) };
  reader.finish();
  return frame;
}

function term(reader: Reader): number {
  const time_ms = reader.u32();
  if (time_ms === 0 || time_ms > termLimit_ms) throw new WireError("a lease of no sensible length");
  return time_ms;
}
