/**
 * Chunks of a snapshot of the control state.
 *
 * chunk: u8 format · u32 number · bool last · u32 CRC-32 of the body · body
 * The body of chunk 0 begins with the header; rows follow: varint section · blob row.
 */
import { Reader, WireError, Writer } from "./cursor.ts";

const format = 1;
const sectionsLimit = 256;
/** A value of 1 MiB and its columns. */
export const rowLimit_bytes = 1024 * 1024 + 16 * 1024;

export interface SnapshotSection {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  readonly digest: Uint8Array;
}

export interface SnapshotChunk {
  readonly number: number;
  readonly last: boolean;
  /** CRC-32 of the body: the sender computes it, the receiver compares. */
  readonly checksum: number;
  readonly body: Uint8Array;
}

export function encodeSnapshotChunk({ number, last, checksum, body }: SnapshotChunk): Uint8Array {
  const writer = new Writer(10 + body.length).u8(format).u32(number).bool(last);
  return writer.u32(checksum).raw(body).finish();
}

/** Throws `WireError`. The body is a view, its checksum not compared yet. */
export function decodeSnapshotChunk(bytes: Uint8Array): SnapshotChunk {
  const reader = new Reader(bytes);
  if (reader.u8() !== format) throw new WireError("unknown format of a snapshot");
  const number = reader.u32();
  const last = reader.bool();
  const checksum = reader.u32();
  return { number, last, checksum, body: reader.take(reader.remaining) };
}

export function writeSnapshotSections(writer: Writer, sections: readonly SnapshotSection[]): void {
  writer.varint(sections.length);
  for (const { name, rows, bytes, digest } of sections) writer.text(name).u64(rows).u64(bytes).raw(digest);
}

/** Throws `WireError`. */
export function readSnapshotSections(reader: Reader): readonly SnapshotSection[] {
  const count = reader.count(sectionsLimit, 33);
  return Array.from({ length: count }, () => ({
    name: reader.text(64),
    rows: reader.u64(),
    bytes: reader.u64(),
    digest: reader.take(16).slice(),
  }));
}
