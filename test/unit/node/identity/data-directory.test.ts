import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import type { NodeId } from "../../../../src/base/ids.ts";
import {
  type DataDirectory,
  type DataDirectoryOptions,
  openDataDirectory,
} from "../../../../src/node/identity/data-directory.ts";
import { openDatabases } from "../../../../src/platform/node/database.ts";
import { ScriptProcesses } from "../../../support/script-process.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";
import { until } from "../../../support/until.ts";

const processes = new ScriptProcesses();
let parent = temporaryDirectory("data");
let opened: DataDirectory[] = [];

afterEach(async () => {
  await processes.end();
  for (const directory of opened) directory.close();
  opened = [];
  parent.remove();
  parent = temporaryDirectory("data");
});

const path = () => join(parent.path, "deep", "data");
const initial = { nodeId: "node-a" as NodeId, cluster: "caxton" };

function open(options: Partial<DataDirectoryOptions> = {}, at = path()): DataDirectory {
  const directory = openDataDirectory(at, {
    nodeId: undefined,
    cluster: undefined,
    initial,
    wall_ms: 1_000,
    ...options,
  });
  opened.push(directory);
  return directory;
}

function refusalOf(work: () => unknown): { readonly code: string; readonly message: string } {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof CaxtonError)
      return { code: thrown.code, message: thrown.message.replaceAll(parent.path, "") };
    throw thrown;
  }
  throw new Error("not refused");
}

describe("identity", () => {
  test("a new directory is private and takes the initial identity, an old one keeps its own", () => {
    const first = open();
    expect(statSync(path()).mode & 0o777).toBe(0o700);
    expect(statSync(first.file("node.json")).mode & 0o777).toBe(0o600);
    expect(first).toMatchObject({
      nodeId: "node-a",
      cluster: "caxton",
      clusterUuid: null,
      boots: 1,
      isNew: true,
    });
    first.close();
    const second = open({ initial: { nodeId: "node-b" as NodeId, cluster: "other" } });
    expect(second).toMatchObject({ nodeId: "node-a", cluster: "caxton", boots: 2, isNew: false });
    second.close();
    expect(open({ nodeId: "node-a" as NodeId, cluster: "caxton" }).boots).toBe(3);
  });

  test("its databases and their logs are for its owner alone, wherever it stands", async () => {
    mkdirSync(path(), { recursive: true, mode: 0o755 });
    chmodSync(path(), 0o755);
    const directory = open();
    const database = openDatabases().open(directory.file("store.db"));
    try {
      database.execute("CREATE TABLE kept (a)");
      const modes = readdirSync(path()).map((name) => [name, statSync(join(path(), name)).mode & 0o077]);
      expect(modes.map(([name]) => name)).toEqual(
        expect.arrayContaining(["lock.db", "store.db", "store.db-wal"]),
      );
      expect(modes.filter(([, mode]) => mode !== 0)).toEqual([]);
    } finally {
      database.close();
    }
  });

  test("another node id or cluster is refused with what to do, and changes nothing", () => {
    open().close();
    const before = readFileSync(join(path(), "node.json"), "utf8");
    expect(refusalOf(() => open({ nodeId: "node-b" as NodeId }))).toEqual({
      code: "conflict",
      message:
        'Data directory "/deep/data" belongs to node "node-a", not to "node-b": ' +
        "leave --node-id out, or name another --data-dir for the new node",
    });
    expect(refusalOf(() => open({ cluster: "other" })).code).toBe("wrong_cluster");
    expect(readFileSync(join(path(), "node.json"), "utf8")).toBe(before);
  });

  test("the cluster it joined is for ever", () => {
    const first = open();
    first.adoptCluster("uuid-1");
    first.adoptCluster("uuid-1");
    expect(refusalOf(() => first.adoptCluster("uuid-2")).code).toBe("wrong_cluster");
    first.close();
    expect(open().clusterUuid).toBe("uuid-1");
  });

  test("the boot epoch only rises, whatever the clock does, and is not below the clock", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { minLength: 1, maxLength: 6 }), (clocks) => {
        parent.remove();
        let last = 0;
        for (const wall_ms of clocks) {
          const directory = open({ wall_ms });
          expect(directory.bootEpoch).toBeGreaterThan(last);
          expect(directory.bootEpoch).toBeGreaterThanOrEqual(wall_ms);
          last = directory.bootEpoch;
          directory.close();
        }
      }),
      { numRuns: 10 },
    );
  });

  test.each([
    ["text", "not json", "data_corrupt"],
    ["another value", "[]", "data_corrupt"],
    [
      "a node id out of its alphabet",
      '{"format":1,"node":"a/b","cluster":"c","uuid":null,"bootEpoch":1,"boots":1}',
      "data_corrupt",
    ],
    [
      "an epoch that is no whole number",
      '{"format":1,"node":"a","cluster":"c","uuid":null,"bootEpoch":1.5,"boots":1}',
      "data_corrupt",
    ],
    ["a newer format", '{"format":2,"node":"a"}', "version_mismatch"],
  ])("a node.json with %s is refused with what to do, and left", (_, text, code) => {
    open().close();
    writeFileSync(join(path(), "node.json"), text);
    const refusal = refusalOf(() => open());
    expect(refusal.code).toBe(code);
    expect(refusal.message).toMatch(/restore it from a backup|start it with the newer version/);
    expect(readFileSync(join(path(), "node.json"), "utf8")).toBe(text);
  });

  test("a store without a node.json is not taken for a new directory", () => {
    mkdirSync(path(), { recursive: true });
    writeFileSync(join(path(), "store.db"), "x");
    expect(refusalOf(() => open()).code).toBe("data_corrupt");
    expect(existsSync(join(path(), "node.json"))).toBe(false);
  });

  test("what a crash left of a half-written node.json is ignored", () => {
    open({ wall_ms: 5_000 }).close();
    writeFileSync(join(path(), "node.json.new"), '{"format":1,"no');
    expect(open({ wall_ms: 1 }).bootEpoch).toBe(5_001);
  });
});

describe("the lock", () => {
  test("a second opening in this process is refused, and closing frees it", () => {
    const first = open();
    expect(refusalOf(() => open())).toEqual({
      code: "data_locked",
      message: `Data directory "/deep/data" is in use by process ${process.pid} (node "node-a")`,
    });
    expect(first.bootEpoch).toBe(1_000);
    first.close();
    first.close();
    expect(existsSync(join(path(), "holder.json"))).toBe(false);
    expect(open().bootEpoch).toBe(1_001);
  });

  test("another process holds it until it is gone, even by kill -9, and epochs go on", async () => {
    const holder = processes.start("./directory-holder.ts", [path(), "7000"]);
    await until(() => holder.lines().length > 0);
    expect(holder.lines()).toEqual(["held 7000"]);
    expect(refusalOf(() => open()).message).toBe(
      `Data directory "/deep/data" is in use by process ${holder.child.pid} (node "holder")`,
    );
    const other = processes.start("./directory-holder.ts", [path(), "9000"]);
    expect(await other.ended).toMatchObject({ code: 0 });
    expect(other.lines()).toEqual(["refused data_locked"]);
    holder.child.kill("SIGKILL");
    await holder.ended;
    expect(existsSync(join(path(), "holder.json"))).toBe(true);
    expect(open({ wall_ms: 10 })).toMatchObject({ bootEpoch: 7_001, nodeId: "holder" });
  });
});

describe("places that cannot be a data directory", () => {
  test("a file in its place, and a file above it", () => {
    writeFileSync(join(parent.path, "file"), "");
    for (const at of ["file", "file/data"]) {
      const refusal = refusalOf(() => open({}, join(parent.path, at)));
      expect(refusal.code).toBe("storage_failed");
      expect(refusal.message).toContain(`Data directory "/${at}" cannot be made`);
    }
  });

  test.skipIf(process.getuid?.() === 0)("a directory that may not be written", () => {
    mkdirSync(path(), { recursive: true });
    chmodSync(path(), 0o500);
    expect(refusalOf(() => open()).message).toContain("cannot be written");
  });

  test("a place where the system lets nobody write", () => {
    const refusal = refusalOf(() => open({}, "/proc/self/data"));
    expect(refusal.code).toBe("storage_failed");
  });
});
