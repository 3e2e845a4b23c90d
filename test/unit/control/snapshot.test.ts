import { afterEach, describe, expect, it } from "vitest";
import { type ControlState, openControlState } from "../../../src/control/control-state.ts";
import { snapshotChunk_bytes } from "../../../src/control/limits.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";
import { openDatabases } from "../../../src/platform/node/database.ts";
import { controlCommands } from "../../../src/wire/control-kinds.ts";
import { encodeKvPut } from "../../../src/wire/control-kv.ts";
import { TestLeader } from "../../support/control-log.ts";
import { codeOf } from "../../support/refusal.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { join } from "node:path";

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});

function onDisk(): () => ControlState {
  const directory = temporaryDirectory("control");
  undo.push(directory.remove);
  const databases = openDatabases();
  let count = 0;
  return () => {
    const state = openControlState(databases, join(directory.path, `control-${count++}.db`));
    undo.push(() => state.close());
    return state;
  };
}

function inMemory(): () => ControlState {
  return () => {
    const databases = memoryDatabases();
    undo.push(() => databases.dispose());
    return openControlState(databases, "control.db");
  };
}

function fill(state: ControlState, keys: number, size: number): TestLeader {
  const leader = new TestLeader(state);
  for (let i = 0; i < keys; i++) {
    const value = new Uint8Array(size).fill(i);
    const put = { key: `key-${i}`, value, mediaType: "", condition: "any", fence: null } as const;
    leader.run({ kind: controlCommands.kvPut, body: encodeKvPut(put) });
  }
  return leader;
}

function chunksOf(state: ControlState): Uint8Array[] {
  const source = state.exportSnapshot();
  const chunks: Uint8Array[] = [];
  for (;;) {
    const { bytes, last } = source.chunk(chunks.length);
    chunks.push(bytes);
    if (last) break;
  }
  source.close();
  return chunks;
}

describe.each([
  ["on files", onDisk],
  ["in memory", inMemory],
])("a snapshot %s", (_, make) => {
  it("holds the state of its moment, while commands go on", () => {
    const open = make();
    const state = open();
    const leader = fill(state, 30, 40_000);
    const before = state.hash;
    const source = state.exportSnapshot();
    const copy = open();
    const target = copy.importSnapshot();
    for (let number = 0; ; number++) {
      const { bytes, last } = source.chunk(number);
      expect(bytes.length).toBeLessThan(snapshotChunk_bytes + 8_192);
      expect(Buffer.compare(source.chunk(number).bytes, bytes)).toBe(0);
      target.add(bytes);
      const value = new Uint8Array(10);
      // What was sent already, and what is still to come: the last key of all, and a new one behind it.
      for (const key of ["key-0", "key-9", `zzz-${number}`]) {
        const put = { key, value, mediaType: "", condition: "any", fence: null } as const;
        leader.run({ kind: controlCommands.kvPut, body: encodeKvPut(put) });
      }
      if (last) break;
    }
    expect(target.finish()).toEqual({ index: before.index, term: 1 });
    expect(copy.hash).toEqual(before);
    expect(copy.settled).toBe(before.index);
    expect(state.hash.root).not.toBe(before.root);
    source.close();
    // The log goes on behind the snapshot.
    copy.apply(leader.entries.slice(before.index));
    expect(copy.hash).toEqual(state.hash);
  });

  it("may be sent with repetitions, and counts only when whole and right", () => {
    const open = make();
    const state = open();
    fill(state, 20, 40_000);
    const chunks = chunksOf(state);
    expect(chunks.length).toBeGreaterThan(2);
    const copy = open();
    const leader = fill(copy, 1, 10);
    const own = copy.hash;
    const target = copy.importSnapshot();
    target.add(chunks[0] as Uint8Array);
    target.add(chunks[0] as Uint8Array);
    expect(target.wanted).toBe(1);
    expect(codeOf(() => target.add(chunks[2] as Uint8Array))).toBe("data_corrupt");
    const broken = (chunks[1] as Uint8Array).slice();
    broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
    expect(codeOf(() => target.add(broken))).toBe("data_corrupt");
    expect(codeOf(() => target.finish())).toBe("conflict");
    expect(codeOf(() => target.add((chunks[1] as Uint8Array).slice(0, 100)))).toBe("data_corrupt");
    expect(copy.hash).toEqual(own);
    leader.run({ kind: controlCommands.mark, body: new Uint8Array() });
    for (const chunk of chunks.slice(1)) target.add(chunk);
    target.finish();
    expect(copy.hash).toEqual(state.hash);
  });

  it("that was not finished leaves nothing behind", () => {
    const open = make();
    const state = open();
    fill(state, 20, 40_000);
    const chunks = chunksOf(state);
    const copy = open();
    copy.importSnapshot().add(chunks[0] as Uint8Array);
    const second = copy.importSnapshot();
    second.add(chunks[0] as Uint8Array);
    second.abandon();
    expect(codeOf(() => second.add(chunks[1] as Uint8Array))).toBe("conflict");
    expect(copy.hash.root).toBe(open().hash.root);
    const third = copy.importSnapshot();
    for (const chunk of chunks) third.add(chunk);
    third.finish();
    expect(copy.hash).toEqual(state.hash);
  });

  it("of an empty state is one chunk", () => {
    const open = make();
    const state = open();
    const [chunk, ...rest] = chunksOf(state);
    expect(rest).toEqual([]);
    const copy = open();
    fill(copy, 3, 10);
    const target = copy.importSnapshot();
    expect(target.add(chunk as Uint8Array)).toEqual({ complete: true });
    target.finish();
    expect(copy.hash).toEqual(state.hash);
  });
});
