/** Hashes of the control state, and walks through its tables to find where two replicas differ. */
import { bytesOfHex, hexOfBytes } from "../base/hex.ts";
import { Reader, WireError, Writer } from "./cursor.ts";

const digest_bytes = 16;
const sectionsLimit = 256;
const rowKeyLimit_bytes = 2 * 1024;
export const walkLimit = 5_000;

export interface SectionHash {
  readonly name: string;
  readonly rows: number;
  /** 32 hexadecimal digits. */
  readonly hash: string;
}

export interface ControlHash {
  readonly index: number;
  readonly root: string;
  readonly sections: readonly SectionHash[];
}

export function encodeControlHash(state: ControlHash): Uint8Array {
  const writer = new Writer(512);
  writeControlHash(writer, state);
  return writer.finish();
}

function writeControlHash(writer: Writer, { index, root, sections }: ControlHash): void {
  writer.u64(index).raw(bytesOfHex(root)).varint(sections.length);
  for (const { name, rows, hash } of sections) writer.text(name).u64(rows).raw(bytesOfHex(hash));
}

/** Throws `WireError`. */
export function decodeControlHash(bytes: Uint8Array): ControlHash {
  const reader = new Reader(bytes);
  const state = readControlHash(reader);
  reader.finish();
  return state;
}

function readControlHash(reader: Reader): ControlHash {
  const index = reader.u64();
  const root = hexDigest(reader);
  const count = reader.count(sectionsLimit, 25);
  const sections = Array.from({ length: count }, () => ({
    name: reader.text(64),
    rows: reader.u64(),
    hash: hexDigest(reader),
  }));
  return { index, root, sections };
}

function hexDigest(reader: Reader): string {
  return hexOfBytes(reader.take(digest_bytes));
}

/** Rows of a section after a key. */
export interface SectionWalk {
  readonly section: string;
  readonly after: Uint8Array | null;
  readonly limit: number;
}

export function encodeSectionWalk({ section, after, limit }: SectionWalk): Uint8Array {
  const writer = new Writer()
    .text(section)
    .u16(limit)
    .bool(after !== null);
  if (after !== null) writer.blob(after);
  return writer.finish();
}

export function readSectionWalk(reader: Reader): SectionWalk {
  const section = reader.text(64);
  const limit = reader.u16();
  if (limit < 1 || limit > walkLimit) throw new WireError(`limit outside 1..${walkLimit}`);
  return { section, limit, after: reader.bool() ? reader.blob(rowKeyLimit_bytes) : null };
}

export interface RowDigest {
  /** The key as the engine orders it: text in UTF-8, integers big-endian. */
  readonly key: Uint8Array;
  readonly digest: string;
}

export function encodeRowDigests(rows: readonly RowDigest[]): Uint8Array {
  const writer = new Writer(64 * rows.length + 8).varint(rows.length);
  for (const { key, digest } of rows) writer.blob(key).raw(bytesOfHex(digest));
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeRowDigests(bytes: Uint8Array): readonly RowDigest[] {
  const reader = new Reader(bytes);
  const count = reader.count(walkLimit, digest_bytes + 1);
  const rows = Array.from({ length: count }, () => ({
    key: reader.blob(rowKeyLimit_bytes).slice(),
    digest: hexDigest(reader),
  }));
  reader.finish();
  return rows;
}

/** What a slice of a check found: the rows themselves hashed anew. */
export interface SectionCheck {
  readonly checked: number;
  /** Exclusive or of the slice's hashes, as computed from the rows. */
  readonly hash: string;
  /** Keys whose row does not have the hash that was kept with it, ten at most. */
  readonly damaged: readonly Uint8Array[];
  /** Where to go on; null at the end. */
  readonly next: Uint8Array | null;
}

export function encodeSectionCheck({ checked, hash, damaged, next }: SectionCheck): Uint8Array {
  const writer = new Writer().varint(checked).raw(bytesOfHex(hash)).varint(damaged.length);
  for (const key of damaged) writer.blob(key);
  writer.bool(next !== null);
  if (next !== null) writer.blob(next);
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeSectionCheck(bytes: Uint8Array): SectionCheck {
  const reader = new Reader(bytes);
  const checked = reader.varint();
  const hash = hexDigest(reader);
  const count = reader.count(10);
  const damaged = Array.from({ length: count }, () => reader.blob(rowKeyLimit_bytes).slice());
  const next = reader.bool() ? reader.blob(rowKeyLimit_bytes).slice() : null;
  reader.finish();
  return { checked, hash, damaged, next };
}
