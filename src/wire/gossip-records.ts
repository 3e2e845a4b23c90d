/**
 * The body of every gossip packet and stream frame: a version byte, then records, each `u8 type`,
 * `varint length`, body. All records are read and checked before any is acted upon. A record of an
 * unknown type from 128 up is skipped (a newer node's extra), any other unknown type is refused.
 */
import type { NodeId } from "../base/ids.ts";
import type { ByteMemo } from "./byte-memo.ts";
import { Reader, WireError, Writer } from "./cursor.ts";
import { type Coordinate, readCoordinate, writeCoordinate } from "./gossip-coordinate.ts";
import { type DeathCertificate, readCertificate, writeCertificate } from "./death-certificate.ts";
import {
  type DirectoryRecord,
  readChange,
  readChunk,
  readHead,
  readSequence,
  writeDirectoryBody,
} from "./gossip-directory.ts";
import { readTagsRecord, type TagsRecord, writeTagsRecord } from "./gossip-tags-sync.ts";
import {
  decodeTags,
  type NodeLoad,
  type NodeTags,
  readLoad,
  tagsLimit_bytes,
  writeLoad,
  writeTags,
} from "./gossip-tags.ts";
import {
  type GossipAddress,
  type Incarnation,
  readAddress,
  readBoot,
  readIncarnation,
  readNodeId,
  writeAddress,
  writeIncarnation,
} from "./gossip-values.ts";

export const gossipVersion = 1;
/** A packet holds far fewer; a stream frame of 64 KiB may hold a thousand member states. */
export const recordsLimit = 2_048;
export const frameLimit_bytes = 64 * 1024;

/** The index is the byte on the wire: the order never changes. */
export const memberStatuses = ["alive", "suspect", "failed", "left"] as const;
export type MemberStatus = (typeof memberStatuses)[number];

/** A node's word about itself, or another's word of it. */
export interface AliveUpdate {
  readonly node: NodeId;
  readonly incarnation: Incarnation;
  readonly address: GossipAddress;
  readonly tags: NodeTags;
}

/** A whole row of the sender's membership table; `age_ms` counts from the last change of status. */
export interface MemberState extends AliveUpdate {
  readonly status: MemberStatus;
  readonly age_ms: number;
  readonly loadSequence: number;
  readonly load: NodeLoad;
}

/** Who is there: probes and their answers, and whole tables. */
export type ProbeRecord =
  /** `target` guards against an address that another node took over. */
  | { readonly kind: "probe"; readonly sequence: number; readonly target: NodeId }
  | { readonly kind: "ack" | "nack"; readonly sequence: number }
  | {
      readonly kind: "probe-request";
      readonly sequence: number;
      readonly target: NodeId;
      readonly address: GossipAddress;
      /** How long the requester waits for an answer. */
      readonly wait_ms: number;
    }
  /** "I do not know you, or not this life of yours": answered with an alive update. */
  | { readonly kind: "introduce" }
  /** Followed by `member` records; `reply` asks for the other side's in turn. */
  | { readonly kind: "push-pull"; readonly reply: boolean }
  /** The sender's, beside an ack. */
  | { readonly kind: "coordinate"; readonly coordinate: Coordinate };

/** A word about a member. */
export type NewsRecord =
  | ({ readonly kind: "alive" } & AliveUpdate)
  | {
      readonly kind: "suspect" | "failed";
      readonly node: NodeId;
      readonly incarnation: Incarnation;
      readonly accuser: NodeId;
    }
  /** `left`: the node's own word. `removed`: an operator's, that it is forgotten. */
  | { readonly kind: "left" | "removed"; readonly node: NodeId; readonly incarnation: Incarnation }
  | {
      readonly kind: "load";
      readonly node: NodeId;
      readonly boot: number;
      readonly sequence: number;
      readonly load: NodeLoad;
    }
  | ({ readonly kind: "member" } & MemberState)
  /** `removed` so long ago: of a whole table, so that an operator's word is not lost with its packets. */
  | {
      readonly kind: "grave";
      readonly node: NodeId;
      readonly incarnation: Incarnation;
      readonly age_ms: number;
    }
  /** A launcher's word; the driver drops those that are not signed right. */
  | ({ readonly kind: "certificate" } & DeathCertificate);

export type GossipRecord = ProbeRecord | NewsRecord | DirectoryRecord | TagsRecord;

type RecordKind = GossipRecord["kind"];

/** The byte on the wire of each kind. */
const types: Readonly<Record<RecordKind, number>> = {
  probe: 1,
  ack: 2,
  nack: 3,
  "probe-request": 4,
  introduce: 5,
  alive: 6,
  suspect: 7,
  failed: 8,
  left: 9,
  removed: 10,
  load: 11,
  member: 12,
  "push-pull": 13,
  head: 14,
  change: 15,
  pull: 16,
  chunk: 17,
  // From here on older nodes skip them.
  coordinate: 128,
  certificate: 129,
  grave: 130,
  "tags-digest": 131,
  "tags-pull": 132,
  "tags-delta": 133,
  // 134 is a packed frame: packed-frame.ts.
};
const kinds = new Map<number, RecordKind>(
  (Object.keys(types) as RecordKind[]).map((kind) => [types[kind], kind]),
);
const firstOptionalType = 128;
/** What goes round, and so comes again and again. */
const repeatedTypes: ReadonlySet<number> = new Set(
  (["alive", "suspect", "failed", "left", "removed", "load", "head", "change"] as const).map(
    (kind) => types[kind],
  ),
);
const waitLimit_ms = 60_000;

const directoryKinds = new Set<RecordKind>(["head", "change", "pull", "chunk"]);
const tagsKinds = new Set<RecordKind>(["tags-digest", "tags-pull", "tags-delta"]);
const probeKinds = new Set<RecordKind>([
  "probe",
  "ack",
  "nack",
  "probe-request",
  "introduce",
  "push-pull",
  "coordinate",
]);
const newsKinds = new Set(
  [...kinds.values()].filter((kind) => ![directoryKinds, tagsKinds, probeKinds].some((set) => set.has(kind))),
);

export function isDirectoryRecord(record: GossipRecord): record is DirectoryRecord {
  return directoryKinds.has(record.kind);
}

export function isTagsRecord(record: GossipRecord): record is TagsRecord {
  return tagsKinds.has(record.kind);
}

export function isProbeRecord(record: GossipRecord): record is ProbeRecord {
  return probeKinds.has(record.kind);
}

export function isNewsRecord(record: GossipRecord): record is NewsRecord {
  return newsKinds.has(record.kind);
}

/** One record with its type and length, ready to be joined to others. */
export function encodeRecord(record: GossipRecord): Uint8Array<ArrayBuffer> {
  return new Writer(128)
    .u8(types[record.kind])
    .nested((writer) => writeBody(writer, record))
    .finish();
}

/** A packet or frame of records that are encoded already. */
export function joinRecords(records: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(1 + records.reduce((sum, record) => sum + record.length, 0));
  joined[0] = gossipVersion;
  let at = 1;
  for (const record of records) {
    joined.set(record, at);
    at += record.length;
  }
  return joined;
}

export function encodeRecords(records: readonly GossipRecord[]): Uint8Array<ArrayBuffer> {
  return joinRecords(records.map(encodeRecord));
}

/** Reads a whole packet or frame, or throws `WireError`. `memo` spares what it has read before; its records are shared. */
export function decodeRecords(bytes: Uint8Array, memo?: ByteMemo<GossipRecord>): GossipRecord[] {
  if (bytes.length > frameLimit_bytes) throw new WireError("frame too long");
  const reader = new Reader(bytes);
  if (reader.u8() !== gossipVersion) throw new WireError("gossip of another version");
  const records: GossipRecord[] = [];
  while (reader.remaining > 0) {
    const begins = reader.at;
    const type = reader.u8();
    const length = reader.varint();
    const start = reader.skip(length);
    const end = start + length;
    const kind = kinds.get(type);
    if (kind === undefined) {
      if (type < firstOptionalType) throw new WireError("unknown record");
      continue;
    }
    if (records.length === recordsLimit) throw new WireError("too many records");
    records.push(
      memo && repeatedTypes.has(type)
        ? memo.of(bytes, begins, end, () => readRecord(kind, bytes, start, end))
        : readRecord(kind, bytes, start, end),
    );
  }
  return records;
}

function readRecord(kind: RecordKind, bytes: Uint8Array, start: number, end: number): GossipRecord {
  const body = new Reader(bytes, start, end);
  const record = readBody(kind, body);
  body.finish();
  return record;
}

function writeBody(writer: Writer, record: GossipRecord): void {
  switch (record.kind) {
    case "probe":
      writer.u32(record.sequence).text(record.target);
      return;
    case "ack":
    case "nack":
      writer.u32(record.sequence);
      return;
    case "probe-request":
      writer.u32(record.sequence).text(record.target);
      writeAddress(writer, record.address);
      writer.varint(record.wait_ms);
      return;
    case "introduce":
      return;
    case "alive":
      writeAlive(writer, record);
      return;
    case "suspect":
    case "failed":
      writer.text(record.node);
      writeIncarnation(writer, record.incarnation);
      writer.text(record.accuser);
      return;
    case "left":
    case "removed":
      writer.text(record.node);
      writeIncarnation(writer, record.incarnation);
      return;
    case "grave":
      writer.text(record.node);
      writeIncarnation(writer, record.incarnation);
      writer.u64(record.age_ms);
      return;
    case "load":
      writer.text(record.node).u64(record.boot).varint(record.sequence);
      writeLoad(writer, record.load);
      return;
    case "member":
      writeAlive(writer, record);
      writer.u8(memberStatuses.indexOf(record.status)).u64(record.age_ms).varint(record.loadSequence);
      writeLoad(writer, record.load);
      return;
    case "certificate":
      writeCertificate(writer, record);
      return;
    case "push-pull":
      writer.bool(record.reply);
      return;
    case "coordinate":
      writeCoordinate(writer, record.coordinate);
      return;
    case "tags-digest":
    case "tags-pull":
    case "tags-delta":
      writeTagsRecord(writer, record);
      return;
    case "head":
    case "change":
    case "pull":
    case "chunk":
      writeDirectoryBody(writer, record);
  }
}

function writeAlive(writer: Writer, alive: AliveUpdate): void {
  writer.text(alive.node);
  writeIncarnation(writer, alive.incarnation);
  writeAddress(writer, alive.address);
  writer.nested((tags) => writeTags(tags, alive.tags));
}

function readAlive(reader: Reader): AliveUpdate {
  return {
    node: readNodeId(reader),
    incarnation: readIncarnation(reader),
    address: readAddress(reader),
    tags: decodeTags(reader.blob(tagsLimit_bytes)),
  };
}

function readBody(kind: RecordKind, reader: Reader): GossipRecord {
  switch (kind) {
    case "probe":
      return { kind, sequence: reader.u32(), target: readNodeId(reader) };
    case "ack":
    case "nack":
      return { kind, sequence: reader.u32() };
    case "probe-request": {
      const [sequence, target, address] = [reader.u32(), readNodeId(reader), readAddress(reader)];
      return { kind, sequence, target, address, wait_ms: Math.min(reader.varint(), waitLimit_ms) };
    }
    case "introduce":
      return { kind };
    case "alive":
      return { kind, ...readAlive(reader) };
    case "suspect":
    case "failed":
      return {
        kind,
        node: readNodeId(reader),
        incarnation: readIncarnation(reader),
        accuser: readNodeId(reader),
      };
    case "left":
    case "removed":
      return { kind, node: readNodeId(reader), incarnation: readIncarnation(reader) };
    case "grave":
      return {
        kind,
        node: readNodeId(reader),
        incarnation: readIncarnation(reader),
        age_ms: reader.u64(),
      };
    case "load":
      return {
        kind,
        node: readNodeId(reader),
        boot: readBoot(reader),
        sequence: reader.varint(),
        load: readLoad(reader),
      };
    case "member":
      return { kind, ...readMemberState(reader) };
    case "certificate":
      return { kind, ...readCertificate(reader) };
    case "push-pull":
      return { kind, reply: reader.bool() };
    case "coordinate":
      return { kind, coordinate: readCoordinate(reader) };
    case "tags-digest":
    case "tags-pull":
    case "tags-delta":
      return readTagsRecord(kind, reader);
    case "head":
      return { kind, owner: readNodeId(reader), head: readHead(reader) };
    case "change":
      return { kind, owner: readNodeId(reader), boot: readBoot(reader), change: readChange(reader) };
    case "pull":
      return { kind, owner: readNodeId(reader), boot: readBoot(reader), since: readSequence(reader) };
    case "chunk":
      return { kind, chunk: readChunk(reader) };
  }
}

function readMemberState(reader: Reader): MemberState {
  const alive = readAlive(reader);
  const status = memberStatuses[reader.u8()];
  if (status === undefined) throw new WireError("unknown member status");
  return { ...alive, status, age_ms: reader.u64(), loadSequence: reader.varint(), load: readLoad(reader) };
}
