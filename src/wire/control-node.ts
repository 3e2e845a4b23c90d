/** Node records of the control state: who belongs to the cluster, in which Raft role, since which boot. */
import type { NodeId } from "../base/ids.ts";
import { namePattern } from "../base/ids.ts";
import { type RaftRole, raftRoles } from "./gossip-tags.ts";
import { Reader, WireError, Writer } from "./cursor.ts";

export const placeLimit_bytes = 128;
export const nodesLimit = 10_000;

export interface NodeRecord {
  readonly id: NodeId;
  /** What it was configured to be; whether it votes is the configuration's matter. */
  readonly role: RaftRole;
  /** The highest that was seen: a node that comes with a lower one runs on an old disk. */
  readonly bootEpoch: number;
  readonly region: string;
  readonly zone: string;
  /** The newest control commands that the node's program knows. */
  readonly level: number;
  readonly removed: boolean;
}

export function encodeNodeRecord(node: NodeRecord): Uint8Array {
  const writer = new Writer();
  writeNodeRecord(writer, node);
  return writer.finish();
}

function writeNodeRecord(writer: Writer, node: NodeRecord): void {
  writer.text(node.id).u8(raftRoles.indexOf(node.role)).u64(node.bootEpoch);
  writer.text(node.region).text(node.zone).u16(node.level).bool(node.removed);
}

export function readNodeRecord(reader: Reader): NodeRecord {
  const id = readNodeId(reader);
  const role = raftRoles[reader.u8()];
  if (role === undefined) throw new WireError("unknown role of a node");
  const bootEpoch = reader.u64();
  const region = place(reader);
  const zone = place(reader);
  return { id, role, bootEpoch, region, zone, level: reader.u16(), removed: reader.bool() };
}

function place(reader: Reader): string {
  const text = reader.text(placeLimit_bytes);
  if (text.includes("\0")) throw new WireError("region or zone with a NUL");
  return text;
}

export function readNodeId(reader: Reader): NodeId {
  const id = reader.text(64);
  if (!namePattern.test(id)) throw new WireError("not a node id");
  return id as NodeId;
}

export function encodeNodeId(id: NodeId): Uint8Array {
  return new Writer().text(id).finish();
}

export function encodeNodeRecords(nodes: readonly NodeRecord[]): Uint8Array {
  const writer = new Writer(64 * nodes.length + 8).varint(nodes.length);
  for (const node of nodes) writeNodeRecord(writer, node);
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeNodeRecords(bytes: Uint8Array): readonly NodeRecord[] {
  const reader = new Reader(bytes);
  const count = reader.count(nodesLimit, 15);
  const nodes = Array.from({ length: count }, () => readNodeRecord(reader));
  reader.finish();
  return nodes;
}
