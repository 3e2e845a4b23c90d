/**
 * What a node says of itself, as bytes: tags (seldom changing, in its alive updates) and load
 * (often changing, in updates of low priority). Both are bounded so that a packet always holds one.
 */
import { Reader, WireError, Writer } from "./cursor.ts";
import { isIpAddress, readBounded } from "./gossip-values.ts";

/** What a node says of itself; changes seldom. At most 16 KiB encoded; above 512 bytes its services go apart. */
export interface NodeTags {
  readonly version: string;
  readonly region: string;
  readonly zone: string;
  /** URL of its HTTP API, `https://10.0.0.3:8080`; empty when it listens on loopback only. */
  readonly api: string;
  readonly maxAgents: number;
  readonly weight: number;
  readonly services: readonly string[];
  /** Left out by a node that takes no part in consensus (yet). */
  readonly raft?: RaftTag;
}

/** Where a node's raft thread listens, and what it may be there. */
export interface RaftTag {
  /** An IP address; empty: the one that it gossips from. */
  readonly host: string;
  readonly port: number;
  /** Its raft identity: the boot epoch in which its log began. */
  readonly identity: number;
  /** What its operator lets it be at most. */
  readonly role: RaftRole;
}

export const raftRoles = ["voter", "learner", "witness"] as const;
export type RaftRole = (typeof raftRoles)[number];

/** What a node measures of itself; may be seconds old. */
export interface NodeLoad {
  readonly agents: number;
  /** 0 to 100 of all cores. */
  readonly cpu_percent: number;
  /** Resident memory of the node's process. */
  readonly memory_bytes: number;
  /** 0 to 100 of the machine's. */
  readonly memory_percent: number;
  /** 0 to 100 of the disk with its data; left out where it cannot be measured. */
  readonly disk_percent?: number;
}

/** Of the tags in an alive update. */
export const tagsLimit_bytes = 512;
/** Of all tags of a node. */
export const wholeTagsLimit_bytes = 16 * 1024;
const tagText_bytes = 255;
/** Of the services in an alive update, and of all. */
const briefServicesLimit = 16;
export const servicesLimit = 1_024;
export const serviceText_bytes = 255;
const weightLimit = 1e6;

export const idleLoad: NodeLoad = { agents: 0, cpu_percent: 0, memory_bytes: 0, memory_percent: 0 };

/** Encoded tags of an alive update. Throws `WireError` with the reason when a node's own tags break a bound. */
export function encodeTags(tags: NodeTags): Uint8Array<ArrayBuffer> {
  const bytes = encoded(tags);
  if (bytes.length > tagsLimit_bytes) throw tooLong(bytes.length, tagsLimit_bytes);
  // What the peers would refuse is refused here, at its source.
  decodeTags(bytes);
  return bytes;
}

/** Whether all of them fit an alive update. */
export function fitAlive(tags: NodeTags): boolean {
  return tags.services.length <= briefServicesLimit && encoded(tags).length <= tagsLimit_bytes;
}

/** What an alive update says of tags that do not fit one. */
export function briefTags(tags: NodeTags): NodeTags {
  return fitAlive(tags) ? tags : { ...tags, services: [] };
}

/** Throws `WireError` with the reason when a node's own tags break a bound. */
export function checkTags(tags: NodeTags): void {
  const { services } = tags;
  if (services.length > servicesLimit)
    throw new WireError(`${services.length} services, at most ${servicesLimit}`);
  const { length } = encoded(tags);
  if (length > wholeTagsLimit_bytes) throw tooLong(length, wholeTagsLimit_bytes);
  for (const service of services) {
    const text = new Writer(serviceText_bytes + 2).text(service).finish();
    if (readTag(new Reader(text), serviceText_bytes) === "") throw new WireError("a service has no name");
  }
  encodeTags(briefTags(tags));
}

function encoded(tags: NodeTags): Uint8Array<ArrayBuffer> {
  const bytes = new Writer(128);
  writeTags(bytes, tags);
  return bytes.finish();
}

function tooLong(length: number, limit: number): WireError {
  return new WireError(`tags of ${length} bytes, at most ${limit}`);
}

/** For tags that were checked: a node's own by `encodeTags`, another's when they were read. */
export function writeTags(writer: Writer, tags: NodeTags): void {
  for (const text of [tags.version, tags.region, tags.zone, tags.api]) writer.text(text);
  writer.varint(tags.maxAgents).f64(tags.weight).varint(tags.services.length);
  for (const service of tags.services) writer.text(service);
  const { raft } = tags;
  if (raft) writer.text(raft.host).u16(raft.port).u64(raft.identity).u8(raftRoles.indexOf(raft.role));
}

/** Reads tags that fill `bytes` exactly. */
export function decodeTags(bytes: Uint8Array): NodeTags {
  const reader = new Reader(bytes);
  const tags: NodeTags = {
    version: readTag(reader),
    region: readTag(reader),
    zone: readTag(reader),
    api: readTag(reader),
    maxAgents: reader.varint(),
    weight: readBounded(reader, 0, weightLimit),
    services: Array.from({ length: reader.count(briefServicesLimit) }, () => readTag(reader)),
  };
  if (reader.remaining === 0) return tags;
  const raft = readRaftTag(reader);
  reader.finish();
  return { ...tags, raft };
}

function readRaftTag(reader: Reader): RaftTag {
  const [host, port, identity] = [readTag(reader), reader.u16(), reader.u64()];
  const role = raftRoles[reader.u8()];
  if (role === undefined) throw new WireError("unknown role in consensus");
  if ((host !== "" && !isIpAddress(host)) || port === 0) throw new WireError("not an address");
  return { host, port, identity, role };
}

/** Printable ASCII, or empty. */
export function readTag(reader: Reader, limit_bytes = tagText_bytes): string {
  const text = reader.text(limit_bytes);
  if (!/^[ -~]*$/.test(text)) throw new WireError("tag is not printable ASCII");
  return text;
}

export function writeLoad(writer: Writer, load: NodeLoad): void {
  writer.varint(load.agents).f64(load.cpu_percent).u64(load.memory_bytes).f64(load.memory_percent);
  if (load.disk_percent !== undefined) writer.f64(load.disk_percent);
}

/** It is the last thing in its record: what follows the memory is the disk, where it is told. */
export function readLoad(reader: Reader): NodeLoad {
  const load = {
    agents: reader.varint(),
    cpu_percent: readBounded(reader, 0, 100),
    memory_bytes: reader.u64(),
    memory_percent: readBounded(reader, 0, 100),
  };
  return reader.remaining === 0 ? load : { ...load, disk_percent: readBounded(reader, 0, 100) };
}
