import { afterEach, describe, expect, test } from "vitest";
import { parseNodeId } from "../../../../src/base/ids.ts";
import {
  type ConsensusData,
  type ConsensusDataOptions,
  openConsensusData,
  rebuildConsensusData,
} from "../../../../src/cluster/consensus/data.ts";
import { memoryDatabases } from "../../../../src/platform/memory/database.ts";
import type { Databases } from "../../../../src/ports/database.ts";
import { defaultMember, identityOf, raftIdOf } from "../../../../src/raft/configuration.ts";
import { encodeConfiguration } from "../../../../src/raft/configuration-codec.ts";
import { configurationOfOne } from "../../../support/raft-log-steps.ts";
import { putCommand } from "../../../support/kv-commands.ts";

const node = parseNodeId("node-1");
let databases = memoryDatabases();
let aside: string[] = [];
/** A file that was set aside is another one from then on. */
const eras = new Map<string, number>();
const other = defaultMember(raftIdOf(parseNodeId("node-2"), 3), "voter");

function files(): Databases {
  const name = (path: string): string => `${path} ${eras.get(path) ?? 0}`;
  return {
    exists: (path) => databases.exists(name(path)),
    open: (path, options) => databases.open(name(path), options),
    view: (path) => databases.view(name(path)),
  };
}

afterEach(() => {
  databases.dispose();
  databases = memoryDatabases();
  aside = [];
  eras.clear();
});

function open(options: Partial<ConsensusDataOptions> = {}): ConsensusData {
  return openConsensusData(optionsOf(options));
}

function optionsOf(options: Partial<ConsensusDataOptions> = {}): ConsensusDataOptions {
  return {
    databases: files(),
    node,
    boot: 7,
    logPath: "raft.db",
    statePath: "control.db",
    witness: false,
    found: false,
    setAside: (path) => {
      aside.push(path);
      eras.set(path, (eras.get(path) ?? 0) + 1);
    },
    ...options,
  };
}

/** A state and a log that hold the same, up to `count` commands after the founding entry. */
function filled(count: number): ConsensusData {
  const data = open({ found: true });
  const { log, state } = data;
  if (state === null) throw new Error("no state");
  for (const entry of log.entries(1, 1, 1e6)) state.apply([{ ...entry, kind: "configuration" }]);
  for (let index = 2; index < 2 + count; index++) {
    const command = state.stamp(putCommand("a", String(index)), { elapsed_ms: index, wall_ms: 1 });
    const entry = { index, term: 1, kind: "command" as const, data: command };
    log.persist([{ hardState: null, reset: null, truncateFrom: null, entries: [entry] }]);
    state.apply([entry]);
  }
  return data;
}

describe("data that is begun anew on purpose", () => {
  test("is another participant's, also in the boot in which the first one began", () => {
    const first = filled(3);
    const before = first.log.boots.self;
    first.close();
    const again = rebuildConsensusData(optionsOf(), "asked for", identityOf(before));
    expect(aside).toEqual(["raft.db", "control.db"]);
    expect(again.log.isEmpty).toBe(true);
    expect(again.state?.applied.index).toBe(0);
    expect(identityOf(again.log.boots.self)).toBe(8);
    again.close();
    // And once more, in the same boot; opened later it is still who it was.
    rebuildConsensusData(optionsOf(), "asked for", 8).close();
    const later = open({ boot: 12 });
    expect(identityOf(later.log.boots.self)).toBe(9);
    expect(later.rebuilt).toBeNull();
    later.close();
  });

  test("of a log that began long ago takes the present boot's number", () => {
    filled(1).close();
    const again = rebuildConsensusData(optionsOf({ boot: 40 }), "asked for", 7);
    expect(identityOf(again.log.boots.self)).toBe(40);
    again.close();
  });
});

describe("the data of consensus", () => {
  test("the first configuration is written once, into a log that is new", () => {
    const data = open({ found: true });
    expect(data.log.last).toEqual({ index: 1, term: 1 });
    expect(data.log.stored(0).configurations[0]?.configuration.members).toEqual([
      { id: "node-1#7", role: "voter", priority: 1 },
    ]);
    data.close();
    const again = open({ found: true, boot: 8 });
    expect(again.log.last.index).toBe(1);
    expect(again.log.boots.self).toBe("node-1#7");
    again.close();
  });

  test("a witness has no state", () => {
    const data = open({ witness: true });
    expect(data.state).toBe(null);
    expect(files().exists("control.db")).toBe(false);
    data.close();
  });

  test("an install that a crash cut off is ended when the state has it", () => {
    const data = filled(3);
    data.log.beginInstall({ index: 4, term: 1, configuration: configurationOfOne(7) });
    data.close();
    const after = open({ boot: 8 });
    expect(after.rebuilt).toBe(null);
    expect([after.log.base.index, after.log.last.index, after.log.installing]).toEqual([4, 4, null]);
    after.close();
  });

  test("and given up when it has not: the log is as it was", () => {
    const data = filled(3);
    data.log.beginInstall({ index: 90, term: 3, configuration: configurationOfOne(7) });
    data.close();
    const after = open({ boot: 8 });
    expect([after.log.base.index, after.log.last.index, after.log.installing]).toEqual([0, 4, null]);
    after.close();
  });

  test.each([
    [
      "the log is an older one than the state",
      "DELETE FROM raft_log WHERE position > 2; DELETE FROM raft_state",
    ],
    ["a bit of an entry has flipped", "UPDATE raft_log SET data = x'01' WHERE position = 3"],
  ])("%s: the only voter refuses to start, and nothing is moved", (_, sql) => {
    const data = filled(3);
    data.log.database.execute(sql);
    data.close();
    expect(() => open({ boot: 8 })).toThrow(/which were left as they are: .*only voter/);
    expect(aside).toEqual([]);
  });

  test("with other voters a damaged log and its state are set aside, and the node begins as another participant", () => {
    const data = filled(2);
    const two = { ...configurationOfOne(7), members: [...configurationOfOne(7).members, other] };
    const entry = { index: 4, term: 1, kind: "configuration" as const, data: encodeConfiguration(two) };
    data.log.persist([{ hardState: null, reset: null, truncateFrom: null, entries: [entry] }]);
    data.state?.apply([entry]);
    data.log.database.execute("DELETE FROM raft_log WHERE position = 2");
    data.close();
    const after = open({ boot: 8 });
    expect(after.rebuilt).toContain("is missing");
    expect(aside).toEqual(["raft.db", "control.db"]);
    expect([after.log.boots.self, after.log.isEmpty, after.state?.applied.index]).toEqual([
      "node-1#8",
      true,
      0,
    ]);
    after.close();
  });

  test("so are a state whose log is gone, and its lost log's promises with it", () => {
    const data = filled(0);
    const two = { ...configurationOfOne(7), members: [...configurationOfOne(7).members, other] };
    const entry = { index: 2, term: 1, kind: "configuration" as const, data: encodeConfiguration(two) };
    data.log.persist([{ hardState: null, reset: null, truncateFrom: null, entries: [entry] }]);
    data.state?.apply([entry]);
    data.close();
    eras.set("raft.db", 5);
    const after = open({ boot: 8 });
    expect(after.rebuilt).toBe("the Raft log is missing and its state is not");
    expect([after.log.boots.self, after.state?.applied.index]).toEqual(["node-1#8", 0]);
    after.close();
  });
});
