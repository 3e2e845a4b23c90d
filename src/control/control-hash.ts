/** The hash of the whole control state from its head and its sections, and walks that look for a difference. */
import type { SqlRow, SqlValue } from "../ports/database.ts";
import {
  type ControlHash,
  type RowDigest,
  type SectionCheck,
  type SectionWalk,
  walkLimit,
} from "../wire/control-hash.ts";
import { Reader, Writer, decodeUtf8, encodeUtf8 } from "../wire/cursor.ts";
import type { ControlHead } from "./control-tables.ts";
import {
  type Section,
  type SectionDefinition,
  columnsOf,
  digestOf,
  digest_bytes,
  xorInto,
} from "./section.ts";

export function hashOf(head: ControlHead, sections: Iterable<Section>): ControlHash {
  const writer = new Writer(1_024);
  writeHeadBytes(writer, head);
  const hashes: { name: string; rows: number; hash: string }[] = [];
  // "log" stands for everything outside the sections: the entries themselves and what the head keeps.
  hashes.push({ name: "log", rows: head.index, hash: hex(digestOf(writer.view())) });
  for (const section of sections) {
    writer.text(section.definition.name).u64(section.rows).raw(section.digest);
    hashes.push({ name: section.definition.name, rows: section.rows, hash: hex(section.digest) });
  }
  return { index: head.index, root: hex(digestOf(writer.view())), sections: hashes };
}

/** The head in canonical bytes; also a part of snapshots. */
export function writeHeadBytes(writer: Writer, head: ControlHead): void {
  writer.u64(head.index).u64(head.term).u64(head.clock_ms).u64(head.clockTerm).u64(head.clockElapsed_ms);
  writer.u64(head.wall_ms).u64(head.revision).u64(head.swept_ms).raw(head.chain);
  writer.bool(head.configuration !== null);
  if (head.configuration !== null) writer.u64(head.configuration.index).blob(head.configuration.data);
}

const configurationLimit_bytes = 1024 * 1024;

/** Throws `WireError`. */
export function readHeadBytes(reader: Reader): ControlHead {
  return {
    index: reader.u64(),
    term: reader.u64(),
    clock_ms: reader.u64(),
    clockTerm: reader.u64(),
    clockElapsed_ms: reader.u64(),
    wall_ms: reader.u64(),
    revision: reader.u64(),
    swept_ms: reader.u64(),
    chain: reader.take(digest_bytes).slice(),
    configuration: reader.bool()
      ? { index: reader.u64(), data: reader.blob(configurationLimit_bytes).slice() }
      : null,
  };
}

/** Hashes of rows as they are kept; at most `limit`, fewer at the end. */
export function walkSection(section: Section, { after, limit }: SectionWalk): readonly RowDigest[] {
  return section
    .walk(keyFromBytes(section.definition, after), Math.min(limit, walkLimit), true)
    .map((row) => ({ key: keyBytes(section.definition, row), digest: hex(row.digest) }));
}

/** A slice is given up beyond this many bytes of rows: it runs between heartbeats. */
const checkSlice_bytes = 2 * 1024 * 1024;
const damaged_max = 10;
const rowsAtOnce = 256;
const rowsAtOnce_bytes = 1024 * 1024;

/** Hashes rows anew from what lies in the table. */
export function checkSection(section: Section, { after, limit }: SectionWalk): SectionCheck {
  const hash = new Uint8Array(digest_bytes);
  const damaged: Uint8Array[] = [];
  let at = keyFromBytes(section.definition, after);
  let next: Uint8Array | null = null;
  let checked = 0;
  for (let bytes = 0; ;) {
    const rows = section.walkWithin(at, Math.min(rowsAtOnce, limit - checked), rowsAtOnce_bytes);
    for (const row of rows) {
      const digest = digestOf(section.encode(valuesOf(section.definition, row)));
      xorInto(hash, digest);
      if (Buffer.compare(digest, row.digest) !== 0 && damaged.length < damaged_max) {
        damaged.push(keyBytes(section.definition, row));
      }
      checked++;
      bytes += row.size;
      next = keyBytes(section.definition, row);
      at = row[section.definition.key.name] as SqlValue;
    }
    if (rows.length === 0) return { checked, hash: hex(hash), damaged, next: null };
    if (checked >= limit || bytes >= checkSlice_bytes) return { checked, hash: hex(hash), damaged, next };
  }
}

export function valuesOf(definition: SectionDefinition, row: SqlRow): SqlValue[] {
  return columnsOf(definition).map(({ name }) => row[name] as SqlValue);
}

function keyBytes({ key }: SectionDefinition, row: SqlRow): Uint8Array {
  const value = row[key.name];
  if (value instanceof Uint8Array) return value;
  if (typeof value === "string") return encodeUtf8(value);
  return new Writer(8).u64(Number(value)).finish().reverse();
}

function keyFromBytes({ key }: SectionDefinition, bytes: Uint8Array | null): SqlValue {
  if (bytes === null || key.type === "bytes") return bytes;
  if (key.type === "text") return decodeUtf8(bytes);
  return new Reader(bytes.toReversed()).u64();
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString("hex");
}
