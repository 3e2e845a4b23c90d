/**
 * The journal table: one row a group commit, holding the records of many appends. Rows are added
 * at the end and removed once they are applied; the position says how far the tables have come.
 */
import { crc32 } from "node:zlib";
import { assert } from "../base/assert.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { Database } from "../ports/database.ts";
import { Reader } from "../wire/cursor.ts";
import { readJournalRecord } from "../wire/journal-codec.ts";
import type { JournalRecord } from "../wire/journal-record.ts";
import { sliceLimit_bytes, sliceLimit_records } from "./limits.ts";

/** Everything up to row `sequence`, and `offset` bytes of the row after it. */
export interface JournalPosition {
  readonly sequence: number;
  readonly offset: number;
}

/** Encoded records, and how many they are. */
export interface JournalBatch {
  readonly bytes: Uint8Array;
  readonly records: number;
}

/** What a slice's records go to. It may take no more: the slice then ends. */
export interface RecordSink {
  add(record: JournalRecord): void;
  readonly full: boolean;
}

export interface JournalSlice {
  readonly records: number;
  readonly bytes: number;
  readonly end: JournalPosition;
}

export class Journal {
  readonly #database: Database;
  #last: number;
  #position: JournalPosition;
  #backlog_records: number;
  #backlog_bytes: number;

  constructor(database: Database) {
    this.#database = database;
    const position = database.prepare("SELECT sequence, offset FROM journal_position").get();
    this.#position = { sequence: Number(position?.["sequence"]), offset: Number(position?.["offset"]) };
    const rows = database
      .prepare(
        `SELECT max(sequence) AS last, total(count) AS records, total(length(records)) AS bytes
         FROM journal WHERE sequence > ?`,
      )
      .get(this.#position.sequence);
    this.#last = Math.max(this.#position.sequence, Number(rows?.["last"] ?? 0));
    // Records of a partly applied row count as a whole: the backlog is an upper bound.
    this.#backlog_records = Number(rows?.["records"] ?? 0);
    this.#backlog_bytes = Number(rows?.["bytes"] ?? 0);
  }

  /** The last row: what is applied up to here contains every append that was answered. */
  get last(): number {
    return this.#last;
  }

  /** Whether all of row `sequence` is applied. */
  applied(sequence: number): boolean {
    return this.#position.sequence >= sequence;
  }

  get backlog(): { readonly records: number; readonly bytes: number } {
    return { records: this.#backlog_records, bytes: this.#backlog_bytes };
  }

  /** One row, in one durable transaction. */
  append(batches: readonly JournalBatch[]): void {
    let bytes = 0;
    let records = 0;
    for (const batch of batches) {
      bytes += batch.bytes.length;
      records += batch.records;
    }
    const blob = batches.length === 1 ? (batches[0] as JournalBatch).bytes : joined(batches, bytes);
    const sequence = this.#last + 1;
    const insert = this.#database.prepare(
      "INSERT INTO journal (sequence, count, checksum, records) VALUES (?, ?, ?, ?)",
    );
    this.#database.transaction(() => insert.run(sequence, records, crc32(blob), blob));
    this.#last = sequence;
    this.#backlog_records += records;
    this.#backlog_bytes += bytes;
  }

  /** Gives the next records to `sink` until it is full (one at least); undefined at the end of the journal. */
  read(sink: RecordSink): JournalSlice | undefined {
    let records = 0;
    let { sequence, offset } = this.#position;
    let bytes = 0;
    const more = (): boolean =>
      records === 0 || (!sink.full && records < sliceLimit_records && bytes < sliceLimit_bytes);
    while (sequence < this.#last && more()) {
      let reader: Reader;
      try {
        reader = new Reader(this.#row(sequence + 1), offset);
      } catch (thrown) {
        // What lies before a damaged row is good and comes first.
        if (records > 0) break;
        throw thrown;
      }
      while (reader.remaining > 0 && more()) {
        const start = reader.at;
        sink.add(this.#record(reader, sequence + 1));
        records++;
        bytes += reader.at - start;
      }
      if (reader.remaining > 0) offset = reader.at;
      else {
        sequence++;
        offset = 0;
      }
    }
    return records === 0 ? undefined : { records, bytes, end: { sequence, offset } };
  }

  /** Inside the transaction that applies a slice: moves the position and removes what lies before it. */
  advance(end: JournalPosition): void {
    this.#database
      .prepare("UPDATE journal_position SET sequence = ?, offset = ?")
      .run(end.sequence, end.offset);
    this.#database.prepare("DELETE FROM journal WHERE sequence <= ?").run(end.sequence);
  }

  /** After that transaction was committed. */
  advanced(slice: JournalSlice): void {
    this.#position = slice.end;
    this.#backlog_records = Math.max(0, this.#backlog_records - slice.records);
    this.#backlog_bytes = Math.max(0, this.#backlog_bytes - slice.bytes);
    if (slice.end.sequence === this.#last) this.#backlog_records = this.#backlog_bytes = 0;
  }

  /** Where `advanced` led to, so that a preview can go back. */
  mark(): () => void {
    const [position, records, bytes] = [this.#position, this.#backlog_records, this.#backlog_bytes];
    return () => {
      this.#position = position;
      this.#backlog_records = records;
      this.#backlog_bytes = bytes;
    };
  }

  #record(reader: Reader, sequence: number): JournalRecord {
    try {
      return readJournalRecord(reader);
    } catch (thrown) {
      throw damaged(sequence, reasonOf(thrown));
    }
  }

  #row(sequence: number): Uint8Array {
    const row = this.#database
      .prepare("SELECT checksum, records FROM journal WHERE sequence = ?")
      .get(sequence);
    if (row === undefined) throw damaged(sequence, "it is missing");
    const records = row["records"];
    assert(records instanceof Uint8Array, "journal records are bytes");
    if (crc32(records) !== row["checksum"]) throw damaged(sequence, "its checksum does not match");
    return records;
  }
}

function joined(batches: readonly JournalBatch[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const batch of batches) {
    whole.set(batch.bytes, at);
    at += batch.bytes.length;
  }
  return whole;
}

function damaged(sequence: number, why: string): CaxtonError {
  return new CaxtonError(
    "data_corrupt",
    `Journal entry ${sequence} is damaged: ${why}. Keep a copy of the data directory and restore a backup`,
  );
}
