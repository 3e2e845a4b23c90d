/**
 * Tags that do not fit an alive update, by digest and delta. The digest rides in packets; what changed since goes over
 * the stream that proves who its sender is, from the owner alone. Here only the bytes: cluster/gossip/tags-sync.ts.
 */
import type { NodeId } from "../base/ids.ts";
import { type Reader, WireError, type Writer } from "./cursor.ts";
import { servicesLimit, serviceText_bytes, readTag } from "./gossip-tags.ts";
import { readBoot, readNodeId } from "./gossip-values.ts";

/** Which list of services a node has: after how many changes, and what they hash to. */
export interface TagsDigest {
  readonly sequence: number;
  readonly hash: number;
}

/** Names that came (true) or went, with the number of that change. */
export interface ServiceChange {
  readonly name: string;
  readonly sequence: number;
  readonly present: boolean;
}

export type TagsRecord =
  | {
      readonly kind: "tags-digest";
      readonly node: NodeId;
      readonly boot: number;
      readonly digest: TagsDigest;
    }
  /** To the owner: what has changed after `since`? 0 asks for all. */
  | { readonly kind: "tags-pull"; readonly boot: number; readonly since: number }
  /** From the owner: all changes after `since`, in order, up to `digest`; with 0 the whole list. */
  | {
      readonly kind: "tags-delta";
      readonly boot: number;
      readonly since: number;
      readonly digest: TagsDigest;
      readonly changes: readonly ServiceChange[];
    };

export function writeTagsRecord(writer: Writer, record: TagsRecord): void {
  switch (record.kind) {
    case "tags-digest":
      writer.text(record.node).u64(record.boot);
      writeDigest(writer, record.digest);
      return;
    case "tags-pull":
      writer.u64(record.boot).u64(record.since);
      return;
    case "tags-delta":
      writer.u64(record.boot).u64(record.since);
      writeDigest(writer, record.digest);
      writer.varint(record.changes.length);
      for (const { name, sequence, present } of record.changes) writer.text(name).u64(sequence).bool(present);
  }
}

export function readTagsRecord(kind: TagsRecord["kind"], reader: Reader): TagsRecord {
  switch (kind) {
    case "tags-digest":
      return { kind, node: readNodeId(reader), boot: readBoot(reader), digest: readDigest(reader) };
    case "tags-pull":
      return { kind, boot: readBoot(reader), since: reader.u64() };
    case "tags-delta":
      return readDelta(reader);
  }
}

/** Numbers rise, above `since` and up to the digest's, and no list is longer than a node's may be. */
function readDelta(reader: Reader): TagsRecord {
  const [boot, since, digest] = [readBoot(reader), reader.u64(), readDigest(reader)];
  const changes = Array.from({ length: reader.count(servicesLimit) }, () => ({
    name: readTag(reader, serviceText_bytes),
    sequence: reader.u64(),
    present: reader.bool(),
  }));
  let last = since;
  for (const { sequence, name } of changes) {
    if (sequence <= last || sequence > digest.sequence || name === "")
      throw new WireError("tags out of order");
    last = sequence;
  }
  return { kind: "tags-delta", boot, since, digest, changes };
}

function writeDigest(writer: Writer, { sequence, hash }: TagsDigest): void {
  writer.u64(sequence).u32(hash);
}

function readDigest(reader: Reader): TagsDigest {
  return { sequence: reader.u64(), hash: reader.u32() };
}
