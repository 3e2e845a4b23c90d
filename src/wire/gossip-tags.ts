/**
 * What a node says of itself, as bytes: tags (seldom changing, in its alive updates) and load
 * (often changing, in updates of low priority). Both are bounded so that a packet always holds one.
 */
import { Reader, WireError, Writer } from "./cursor.ts";
import { isIpAddress, readBounded } from "./gossip-values.ts";

/** What a node says of itself; changes seldom. At most 512 bytes encoded. */
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
}

export const tagsLimit_bytes = 512;
const tagText_bytes = 255;
const servicesLimit = 16;
const weightLimit = 1e6;

export const idleLoad: NodeLoad = { agents: 0, cpu_percent: 0, memory_bytes: 0, memory_percent: 0 };

/** Encoded tags. Throws `WireError` with the reason when a node's own tags break a bound. */
export function encodeTags(tags: NodeTags): Uint8Array<ArrayBuffer> {
  const bytes = new Writer(128);
  writeTags(bytes, tags);
  if (bytes.length > tagsLimit_bytes) {
    throw new WireError(`tags of ${bytes.length} bytes, at most ${tagsLimit_bytes}`);
  }
  // What the peers would refuse is refused here, at its source.
  decodeTags(bytes.view());
  return bytes.finish();
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
    services: Array.from({ length: reader.count(servicesLimit) }, () => readTag(reader)),
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
function readTag(reader: Reader): string {
  const text = reader.text(tagText_bytes);
  if (!/^[ -~]*$/.test(text)) throw new WireError("tag is not printable ASCII");
  return text;
}

export function writeLoad(writer: Writer, load: NodeLoad): void {
  writer.varint(load.agents).f64(load.cpu_percent).u64(load.memory_bytes).f64(load.memory_percent);
}

export function readLoad(reader: Reader): NodeLoad {
  return {
    agents: reader.varint(),
    cpu_percent: readBounded(reader, 0, 100),
    memory_bytes: reader.u64(),
    memory_percent: readBounded(reader, 0, 100),
  };
}
