/**
 * The small values that every gossip record is made of: node ids, addresses, incarnations.
 * Each reader refuses what its type does not allow, with a `WireError`.
 */
import { namePattern, type NodeId } from "../base/ids.ts";
import { type Reader, WireError, type Writer } from "./cursor.ts";

/** An IP address and UDP port; the same shape as `ports/datagrams.ts` has, which pure folders cannot import. */
export interface GossipAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * How new a node's word about itself is: its persisted boot epoch, which rises with each start, then a
 * counter within this life. Only its owner raises it. Compared lexicographically.
 */
export interface Incarnation {
  readonly boot: number;
  readonly counter: number;
}

/** Bounds that no honest node reaches; above them a value is refused as poison. */
export const bootLimit = 2 ** 48;
export const counterLimit = 0xffff_ffff;

const nodeIdLimit_bytes = 64;
const hostLimit_bytes = 45;
const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const ipv6 = /^[0-9a-f:.]*:[0-9a-f:.]*$/i;

/** Negative when `a` is older than `b`, 0 when equal, positive when newer. */
export function compareIncarnations(a: Incarnation, b: Incarnation): number {
  return a.boot === b.boot ? a.counter - b.counter : a.boot - b.boot;
}

/** True for the text of an IPv4 or IPv6 address, false for names. */
export function isIpAddress(host: string): boolean {
  return host.length <= hostLimit_bytes && (ipv4.test(host) || ipv6.test(host));
}

export function sameAddress(a: GossipAddress, b: GossipAddress): boolean {
  return a.port === b.port && a.host === b.host;
}

export function readNodeId(reader: Reader): NodeId {
  const text = reader.text(nodeIdLimit_bytes);
  if (!namePattern.test(text)) throw new WireError("node id of another alphabet");
  return text as NodeId;
}

export function writeAddress(writer: Writer, address: GossipAddress): void {
  writer.text(address.host).u16(address.port);
}

export function readAddress(reader: Reader): GossipAddress {
  const host = reader.text(hostLimit_bytes);
  if (!isIpAddress(host)) throw new WireError("host is no IP address");
  const port = reader.u16();
  if (port === 0) throw new WireError("port 0");
  return { host, port };
}

export function writeIncarnation(writer: Writer, incarnation: Incarnation): void {
  writer.u64(incarnation.boot).varint(incarnation.counter);
}

export function readIncarnation(reader: Reader): Incarnation {
  return { boot: readBoot(reader), counter: reader.varint() };
}

export function readBoot(reader: Reader): number {
  const boot = reader.u64();
  if (boot > bootLimit) throw new WireError("boot epoch out of range");
  return boot;
}

/** A finite number in [low, high]: NaN and infinities never enter. */
export function readBounded(reader: Reader, low: number, high: number): number {
  const value = reader.f64();
  if (!(value >= low && value <= high)) throw new WireError("number out of range");
  return value;
}
