/**
 * A snapshot that is being received: its rows go into tables beside the real ones, chunk by chunk, and take
 * their place in one transaction at the end. Until then nothing of the state changes.
 */
import { crc32 } from "node:zlib";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { Database, SqlValue } from "../ports/database.ts";
import {
  type SnapshotChunk,
  type SnapshotSection,
  decodeSnapshotChunk,
  readSnapshotSections,
  rowLimit_bytes,
} from "../wire/control-snapshot.ts";
import { Reader, WireError } from "../wire/cursor.ts";
import { sections } from "./command-table.ts";
import { readHeadBytes } from "./control-hash.ts";
import {
  type ControlHead,
  writeConfiguration,
  writeHead,
  writeSettled,
  writeTotals,
} from "./control-tables.ts";
import type { LogPosition, SnapshotImport } from "./replicated-state.ts";
import { Section, type SectionDefinition, columnsOf, createIndexes, createTable } from "./section.ts";

interface Header {
  readonly head: ControlHead;
  readonly sections: readonly SnapshotSection[];
}

export class StagedSnapshot implements SnapshotImport {
  readonly #database: Database;
  readonly #replaced: (head: ControlHead) => void;
  readonly #staged: readonly Section[];
  #header: Header | null = null;
  #wanted = 0;
  #complete = false;
  #open = true;

  constructor(database: Database, replaced: (head: ControlHead) => void) {
    this.#database = database;
    this.#replaced = replaced;
    StagedSnapshot.clear(database);
    database.transaction(() => {
      for (const definition of sections) database.execute(createTable(definition, stagedName(definition)));
    }, "relaxed");
    this.#staged = sections.map((definition) => new Section(database, definition, stagedName(definition)));
  }

  /** Removes what an import that did not end has left. */
  static clear(database: Database): void {
    database.transaction(() => {
      for (const definition of sections) database.execute(`DROP TABLE IF EXISTS ${stagedName(definition)}`);
    }, "relaxed");
  }

  get wanted(): number {
    return this.#wanted;
  }

  add(bytes: Uint8Array): { readonly complete: boolean } {
    if (!this.#open) throw new CaxtonError("conflict", "This snapshot was finished or abandoned");
    try {
      const chunk = decodeSnapshotChunk(bytes);
      if (crc32(chunk.body) !== chunk.checksum) {
        throw new WireError(`chunk ${chunk.number} has a wrong checksum`);
      }
      if (chunk.number < this.#wanted) return { complete: this.#complete };
      if (chunk.number > this.#wanted)
        throw new WireError(`chunk ${chunk.number} came before ${this.#wanted}`);
      this.#take(chunk);
      return { complete: this.#complete };
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown;
      throw new CaxtonError("data_corrupt", `Snapshot refused: ${reasonOf(thrown)}`, { cause: thrown });
    }
  }

  finish(): LogPosition {
    const header = this.#header;
    if (!this.#open || !this.#complete || header === null) {
      throw new CaxtonError("conflict", "This snapshot is not complete");
    }
    const { head } = header;
    this.#database.transaction(() => {
      for (const definition of sections) {
        this.#database.execute(`
          DROP TABLE ${definition.name};
          ALTER TABLE ${stagedName(definition)} RENAME TO ${definition.name};
          ${createIndexes(definition)}`);
      }
      for (const section of this.#staged) section.changed = true;
      writeTotals(this.#database, this.#staged);
      writeHead(this.#database, head);
      writeConfiguration(this.#database, head.configuration);
      writeSettled(this.#database, head.index);
      this.#database.execute("DELETE FROM marks");
    }, "durable");
    this.#open = false;
    this.#replaced(head);
    return { index: head.index, term: head.term };
  }

  abandon(): void {
    if (!this.#open) return;
    this.#open = false;
    StagedSnapshot.clear(this.#database);
  }

  #take(chunk: SnapshotChunk): void {
    const before = this.#staged.map(({ rows, bytes, digest }) => ({ rows, bytes, digest }));
    try {
      const reader = new Reader(chunk.body);
      const header = this.#header ?? readHeader(reader);
      this.#database.transaction(() => {
        this.#takeRows(reader, header);
        for (const section of this.#staged) section.flush();
        if (chunk.last) this.#checkTotals(header);
      }, "relaxed");
      this.#header = header;
      this.#wanted++;
      this.#complete = chunk.last;
    } catch (thrown) {
      for (const [index, section] of this.#staged.entries()) {
        const totals = before[index];
        if (totals !== undefined) section.restore(totals);
      }
      throw thrown;
    }
  }

  #takeRows(reader: Reader, header: Header): void {
    while (reader.remaining > 0) {
      const name = header.sections[reader.varint()]?.name;
      const section = this.#staged.find(({ definition }) => definition.name === name);
      if (section === undefined) throw new WireError("row of an unknown section");
      const values = readRow(section.definition, reader.blob(rowLimit_bytes));
      // A row that is there already shows in the totals.
      section.put(undefined, values);
    }
  }

  #checkTotals(header: Header): void {
    for (const [index, section] of this.#staged.entries()) {
      const { name } = section.definition;
      const expected = header.sections.find((told) => told.name === name);
      const rows = expected?.rows ?? 0;
      const same = expected === undefined || Buffer.compare(section.digest, expected.digest) === 0;
      if (section.rows === rows && same) continue;
      throw new WireError(
        `section ${index} (${name}) has ${section.rows} rows of ${rows}, or other contents`,
      );
    }
  }
}

function stagedName({ name }: SectionDefinition): string {
  return `incoming_${name}`;
}

function readHeader(reader: Reader): Header {
  const head = readHeadBytes(reader);
  const told = readSnapshotSections(reader);
  const unknown = told.find(({ name }) => !sections.some((definition) => definition.name === name));
  if (unknown !== undefined) {
    throw new CaxtonError(
      "version_mismatch",
      `The snapshot has a section "${unknown.name.slice(0, 64)}" that this node's program does not know: upgrade it`,
    );
  }
  return { head, sections: told };
}

function readRow(definition: SectionDefinition, bytes: Uint8Array): SqlValue[] {
  const reader = new Reader(bytes);
  const values = columnsOf(definition).map(({ type }): SqlValue => {
    if (type === "integer") return reader.u64();
    return type === "text" ? readText(reader) : reader.blob(rowLimit_bytes);
  });
  reader.finish();
  return values;
}

/** The engine's text has no NUL. */
function readText(reader: Reader): string {
  const text = reader.text(rowLimit_bytes);
  if (text.includes("\0")) throw new WireError("text with a NUL");
  return text;
}
