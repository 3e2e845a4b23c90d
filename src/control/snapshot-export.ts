/**
 * A copy of the control state in chunks, read from a view of the database that later commits do not
 * change. Only where each chunk begins is held in memory, so any of them can be read again.
 */
import { crc32 } from "node:zlib";
import { assert } from "../base/assert.ts";
import type { Database, Databases, SqlValue } from "../ports/database.ts";
import { encodeSnapshotChunk, writeSnapshotSections } from "../wire/control-snapshot.ts";
import { Writer } from "../wire/cursor.ts";
import { sections } from "./command-table.ts";
import { valuesOf, writeHeadBytes } from "./control-hash.ts";
import { type ControlHead, readHead, readTotals } from "./control-tables.ts";
import { snapshotChunk_bytes } from "./limits.ts";
import type { LogPosition, SnapshotExport } from "./replicated-state.ts";
import { Section } from "./section.ts";

/** Where a chunk begins: in a section, after a key. */
interface Start {
  readonly section: number;
  readonly after: SqlValue;
}

/** Rows read at once; fewer where they are large. */
const rowsAtOnce = 256;

export function openSnapshotExport(databases: Databases, path: string): SnapshotExport {
  const database = databases.view(path);
  try {
    return new StateExport(database);
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

class StateExport implements SnapshotExport {
  readonly #database: Database;
  readonly #head: ControlHead;
  readonly #sections: readonly Section[];
  readonly #starts: Start[] = [{ section: 0, after: null }];
  #last = Number.POSITIVE_INFINITY;

  constructor(database: Database) {
    this.#database = database;
    this.#head = readHead(database);
    this.#sections = sections.map((definition) => new Section(database, definition));
    readTotals(database, this.#sections);
  }

  get position(): LogPosition {
    return { index: this.#head.index, term: this.#head.term };
  }

  get configuration(): ControlHead["configuration"] {
    return this.#head.configuration;
  }

  chunk(number: number): { readonly bytes: Uint8Array; readonly last: boolean } {
    const start = this.#starts[number];
    assert(start !== undefined, "the next chunk of a snapshot is asked for, or one again");
    const body = new Writer(snapshotChunk_bytes + 4_096);
    if (number === 0) this.#writeHeader(body);
    const next = this.#writeRows(body, start);
    const last = next === null;
    if (last) this.#last = number;
    else this.#starts[number + 1] = next;
    assert(number <= this.#last, "nothing follows the last chunk");
    const view = body.view();
    return { bytes: encodeSnapshotChunk({ number, last, checksum: crc32(view), body: view }), last };
  }

  close(): void {
    this.#database.close();
  }

  #writeHeader(writer: Writer): void {
    writeHeadBytes(writer, this.#head);
    writeSnapshotSections(
      writer,
      this.#sections.map(({ definition, rows, bytes, digest }) => ({
        name: definition.name,
        rows,
        bytes,
        digest,
      })),
    );
  }

  /** Where the next chunk begins; null when everything is written. */
  #writeRows(writer: Writer, start: Start): Start | null {
    let { section: number, after } = start;
    const header = writer.length;
    while (number < this.#sections.length) {
      const section = this.#sections[number] as Section;
      const rows = section.walkWithin(after, rowsAtOnce, snapshotChunk_bytes);
      for (const row of rows) {
        const encoded = section.encode(valuesOf(section.definition, row));
        const full = writer.length + encoded.length > snapshotChunk_bytes;
        if (full && writer.length > header) return { section: number, after };
        writer.varint(number).blob(encoded);
        after = row[section.definition.key.name] as SqlValue;
      }
      if (rows.length === 0) {
        number++;
        after = null;
      }
    }
    return null;
  }
}
