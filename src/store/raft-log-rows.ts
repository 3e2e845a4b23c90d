/** The rows of a Raft log, each with its checksum. What does not match is damaged: never repaired, never guessed at. */
import { crc32 } from "node:zlib";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { SqlRow, SqlValue } from "../ports/database.ts";
import type { Configuration, RaftId } from "../raft/configuration.ts";
import { decodeConfiguration, encodeConfiguration, parseRaftId } from "../raft/configuration-codec.ts";
import type { Entry, EntryKind, HardState, LogPosition } from "../raft/entry.ts";
import { encodeUtf8 } from "../wire/cursor.ts";

/** The number in the table is the place in this list, so the order never changes. */
const kinds: readonly EntryKind[] = ["command", "configuration", "noop", "stripped"];

export interface RaftBase extends LogPosition {
  readonly configuration: Configuration;
}

/** A hole, a flipped bit, or a log that contradicts itself. */
export function damaged(what: string): CaxtonError {
  return new CaxtonError("data_corrupt", `The Raft log is damaged: ${what}`);
}

/** In the order of the columns: position, term, kind, checksum, data. */
export function entryRow({ index, term, kind, data }: Entry): SqlValue[] {
  const number = kinds.indexOf(kind);
  return [index, term, number, checksumOf([index, term, number], data), data];
}

export function readEntry(row: SqlRow): Entry {
  const [index, term, number, data] = [num(row, "position"), num(row, "term"), num(row, "kind"), row["data"]];
  const kind = kinds[number];
  if (
    kind === undefined ||
    !(data instanceof Uint8Array) ||
    checksumOf([index, term, number], data) !== row["checksum"]
  ) {
    throw damaged(`the checksum of entry ${index} does not match`);
  }
  return { index, term, kind, data };
}

/** In the order of the columns after `only`: term, vote, commit_index, last, checksum. */
export function stateRow({ term, vote, commit }: HardState, last: number): SqlValue[] {
  return [term, vote ?? "", commit, last, checksumOf([term, commit, last], encodeUtf8(vote ?? ""))];
}

/** What `readState` reads. */
export const stateColumns = "term, vote, commit_index, last, checksum";

export function readState(row: SqlRow): { readonly hardState: HardState; readonly last: number } {
  const [term, commit, last] = [num(row, "term"), num(row, "commit_index"), num(row, "last")];
  const vote = row["vote"];
  if (typeof vote !== "string" || checksumOf([term, commit, last], encodeUtf8(vote)) !== row["checksum"])
    throw damaged("the checksum of its hard state does not match");
  return { hardState: { term, commit, vote: vote === "" ? null : raftId(vote) }, last };
}

/** A row of a name and numbers, from before such rows had a checksum. */
const unchecked = -1;

/** The checksum of a row that is a name and numbers. */
export function checksumOfNamed(name: string, ...numbers: readonly number[]): number {
  return checksumOf(numbers, encodeUtf8(name));
}

/** The name in `column`, and the numbers. Throws `data_corrupt`. */
export function readNamed(
  row: SqlRow,
  column: string,
  numbers: readonly string[],
  what: string,
): { readonly name: string; readonly numbers: readonly number[] } {
  const found = numbers.map((each) => num(row, each));
  const name = row[column];
  const sound =
    typeof name === "string" &&
    (row["checksum"] === unchecked || checksumOfNamed(name, ...found) === row["checksum"]);
  if (!sound) throw damaged(`the checksum of ${what} does not match`);
  return { name, numbers: found };
}

/** In the order of the columns after `only`: position, term, configuration, checksum. */
export function baseRow({ index, term, configuration }: RaftBase): SqlValue[] {
  const bytes = encodeConfiguration(configuration);
  return [index, term, bytes, checksumOf([index, term], bytes)];
}

export function readBase(row: SqlRow, what: string): RaftBase {
  const [index, term, bytes] = [num(row, "position"), num(row, "term"), row["configuration"]];
  if (!(bytes instanceof Uint8Array) || checksumOf([index, term], bytes) !== row["checksum"])
    throw damaged(`the checksum of its ${what} does not match`);
  return { index, term, configuration: configurationOf(bytes) };
}

/** A configuration whose bytes have the right checksum: what fails now is of a newer program. */
export function configurationOf(bytes: Uint8Array): Configuration {
  try {
    return decodeConfiguration(bytes);
  } catch (thrown) {
    throw damaged(`a configuration cannot be read (${reasonOf(thrown)})`);
  }
}

function raftId(text: string): RaftId {
  try {
    return parseRaftId(text);
  } catch (thrown) {
    throw damaged(`its vote cannot be read (${reasonOf(thrown)})`);
  }
}

function num(row: SqlRow, column: string): number {
  const value = Number(row[column]);
  if (!Number.isSafeInteger(value) || value < 0) throw damaged(`a ${column} is out of range`);
  return value;
}

function checksumOf(numbers: readonly number[], bytes: Uint8Array): number {
  const fields = new DataView(new ArrayBuffer(numbers.length * 8));
  for (const [i, number] of numbers.entries()) {
    fields.setUint32(i * 8, number % 0x1_0000_0000, true);
    fields.setUint32(i * 8 + 4, Math.floor(number / 0x1_0000_0000), true);
  }
  return crc32(bytes, crc32(new Uint8Array(fields.buffer)));
}
