/** Snapshots whose checksums are right and whose contents are not, and a disk that refuses them: nothing is taken over. */
import { crc32 } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { type ControlState, openControlState } from "../../../src/control/control-state.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";
import { decodeSnapshotChunk, encodeSnapshotChunk } from "../../../src/wire/control-snapshot.ts";
import { encodeKvPut } from "../../../src/wire/control-kv.ts";
import { controlCommands } from "../../../src/wire/control-kinds.ts";
import { stampCommand } from "../../../src/wire/control-command.ts";
import { Writer } from "../../../src/wire/cursor.ts";
import { commandBytes, TestLeader } from "../../support/control-log.ts";
import { refusalOf } from "../../support/refusal.ts";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});

function opened() {
  const databases = memoryDatabases();
  undo.push(() => databases.dispose());
  return { databases, state: openControlState(databases, "control.db") };
}

function putOf(key: string) {
  const value = new Uint8Array(40_000).fill(7);
  const body = encodeKvPut({ key, value, mediaType: "", condition: "any", fence: null });
  return { kind: controlCommands.kvPut, body };
}

/** Of three chunks at least. */
function chunksOf(state: ControlState): readonly Uint8Array[] {
  const leader = new TestLeader(state);
  for (let i = 0; i < 20; i++) leader.run(putOf(`key-${i}`));
  const source = state.exportSnapshot();
  const chunks: Uint8Array[] = [];
  for (let last = false; !last;) {
    const read = source.chunk(chunks.length);
    chunks.push(read.bytes);
    last = read.last;
  }
  source.close();
  expect(chunks.length).toBeGreaterThan(2);
  return chunks;
}

/** The chunk with another body, under the checksum of that. */
function forged(chunk: Uint8Array, change: (body: Uint8Array) => Uint8Array): Uint8Array {
  const { number, last, body } = decodeSnapshotChunk(chunk);
  const other = change(body.slice());
  return encodeSnapshotChunk({ number, last, checksum: crc32(other), body: other });
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const bodies: readonly (readonly [name: string, change: (body: Uint8Array) => Uint8Array, found: string])[] =
  [
    [
      "a row of a section that there is not",
      (body) => joined(body, new Writer(8).varint(99).blob(new Uint8Array(1)).finish()),
      "row of an unknown section",
    ],
    ["a row that is cut off", (body) => body.subarray(0, body.length - 1), ""],
    ["another value in a row", (body) => body.with(body.lastIndexOf(7), 8), "or other contents"],
  ];

describe("a chunk under the right checksum that has", () => {
  it.each(bodies)("%s is refused, and the right one is taken after it", (_, change, found) => {
    const source = opened();
    const chunks = chunksOf(source.state);
    const { state } = opened();
    const own = state.hash;
    const target = state.importSnapshot();
    for (const [number, chunk] of chunks.entries()) {
      const isLast = number === chunks.length - 1;
      // Another value shows only when all of them are there.
      if (isLast || found !== "or other contents") {
        const refused = refusalOf(() => target.add(forged(chunk, change)));
        expect(refused).toMatch(/^data_corrupt: Snapshot refused: /);
        expect(refused).toContain(found);
        expect(target.wanted).toBe(number);
      }
      expect(state.hash).toEqual(own);
      target.add(chunk);
    }
    target.finish();
    expect(state.hash).toEqual(source.state.hash);
  });
});

it("a disk that is full is said to be that, not damage, and the chunk is taken once there is room", () => {
  const source = opened();
  const chunks = chunksOf(source.state);
  const { state, databases } = opened();
  const target = state.importSnapshot();
  target.add(chunks[0] as Uint8Array);
  databases.failCommits(new CaxtonError("disk_full", "no room"));
  expect(refusalOf(() => target.add(chunks[1] as Uint8Array))).toBe("disk_full: no room");
  databases.failCommits(undefined);
  for (const chunk of chunks.slice(1)) target.add(chunk);
  target.finish();
  expect(state.hash).toEqual(source.state.hash);
});

it("a state that stopped before an entry goes on behind a snapshot that has it", () => {
  const source = opened();
  const chunks = chunksOf(source.state);
  const { state } = opened();
  const data = stampCommand(commandBytes({ kind: 777, body: new Uint8Array() }), 0, 0);
  state.apply([{ index: 1, term: 1, kind: "command", data }]);
  expect(state.halted).toMatchObject({ index: 1 });
  const target = state.importSnapshot();
  for (const chunk of chunks) target.add(chunk);
  target.finish();
  expect(state.halted).toBeNull();
  const next = new TestLeader(source.state).entry(putOf("next"));
  expect(state.apply([next])).toHaveLength(1);
  source.state.apply([next]);
  expect(state.hash).toEqual(source.state.hash);
});
