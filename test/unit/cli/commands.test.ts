import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { cliWorld } from "../../support/cli-world.ts";

let world: Awaited<ReturnType<typeof cliWorld>>;

beforeEach(async () => {
  world = await cliWorld();
});
afterEach(() => world.dispose());

async function deployEcho(name = "echo"): Promise<void> {
  const file = join(world.folder, "echo.wasm");
  writeFileSync(file, Uint8Array.of(0, 1, 2));
  expect(await world.caxton("deploy", file, "--name", name)).toEqual({
    exit: 0,
    stdout: `Deployed ${name} on node-1 (revision 1, module ae4b3280e56e)\n`,
    stderr: "",
  });
}

/** Cells of a printed table, a row each. */
function cells(stdout: string): string[][] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
}

describe("cluster", () => {
  test("leader shows who leads and who votes, and hands leadership over", async () => {
    const none = await world.caxton("cluster", "leader");
    expect(none.exit).toBe(7);
    expect(none.stderr).toContain("The cluster has no leader (term 3, 1 of 1 voters in reach)");
    expect(await world.caxton("cluster", "leader", "--transfer-to", "node-2")).toMatchObject({ exit: 7 });
    world.services.leader = world.services.node;
    expect((await world.caxton("cluster", "leader")).stdout.split("\n")).toEqual([
      "Leader: node-1",
      "Term: 3",
      "Quorum: yes (1 of 1 voters in reach)",
      "Log: committed 12, applied here 12",
      "Voters: node-1",
      "",
    ]);
    expect((await world.caxton("cluster", "leader", "-o", "wide")).stdout).toContain(
      "Must not be stopped now: node-1 (no other node votes, 1 is needed)",
    );
    expect((await world.caxton("cluster", "leader", "--transfer-to", "node-2")).stdout).toBe(
      "Leader: node-2\n",
    );
    expect((await world.caxton("cluster", "leader", "--transfer-to", "no node")).exit).toBe(2);
  });

  test("compare-state shows each replica's hash, and verify every check, with an exit code to match", async () => {
    const compared = await world.caxton("cluster", "compare-state");
    expect(compared.exit).toBe(0);
    expect(cells(compared.stdout)[1]?.[0]).toBe("node-1");
    expect(compared.stdout).toContain("1 of 1 replicas compared at index 12, no difference");
    const verified = await world.caxton("cluster", "verify", "--deep", "--node", "node-2");
    expect(cells(verified.stdout)).toEqual([
      ["NODE-ID", "CHECK", "RESULT", "DETAIL"],
      ["node-2", "section kv", "ok"],
    ]);
    world.services.healthy = false;
    expect((await world.caxton("cluster", "verify")).exit).toBe(1);
  });

  test("members shows when each was last seen while one is not alive", async () => {
    const { stdout } = await world.caxton("cluster", "members");
    expect(cells(stdout)).toEqual([
      ["NODE-ID", "STATUS", "LAST-SEEN", "AGENTS"],
      ["node-1", "alive", "now", "50"],
      ["node-2", "alive", "now", "50"],
      ["node-3", "failed", "now", "50"],
    ]);
  });

  test("members shows the load while all are well, and everything when wide", async () => {
    world.services.known.pop();
    expect(cells((await world.caxton("cluster", "members")).stdout)[0]).toEqual([
      "NODE-ID",
      "STATUS",
      "ADDRESS",
      "AGENTS",
      "CPU",
      "MEMORY",
    ]);
    const wide = cells((await world.caxton("cluster", "members", "-o", "wide")).stdout);
    expect(wide[1]).toEqual([
      "node-1",
      "alive",
      "10.0.0.1:7946",
      "50",
      "40%",
      "1MB",
      "now",
      "eu",
      "a",
      "0.1.0",
    ]);
  });

  test("members as JSON is what the API gave", async () => {
    const { stdout } = await world.caxton("cluster", "members", "--format", "json");
    const data = JSON.parse(stdout) as { self: string; members: unknown[] };
    expect([data.self, data.members.length]).toEqual(["node-1", 3]);
  });

  test("status has the documents' lines", async () => {
    const { stdout, exit } = await world.caxton("cluster", "status");
    expect([stdout, exit]).toEqual([
      "Status: HEALTHY (majority partition)\nOperations: READ-WRITE\nNodes: 2/3 active\nQueued writes: 0\nLeader: none\nTerm: 3\nVoters: node-1\nLease: held by node-1\n",
      0,
    ]);
  });

  test("ping shows each way and fails when one did not answer", async () => {
    const { stdout, stderr, exit } = await world.caxton("cluster", "ping", "node-2");
    expect(cells(stdout)[1]).toEqual(["node-2", "0.5ms", "0.6ms", "-", "-"]);
    expect([stderr, exit]).toEqual(["error: node-2 did not answer on every way: stream: refused\n", 3]);
  });

  test("performance says what was not measured", async () => {
    const { stdout } = await world.caxton("cluster", "performance");
    expect(cells(stdout)).toEqual([
      ["METRIC", "TARGET", "ACTUAL", "STATUS"],
      ["Local routing P50", "100μs", "-", "not measured"],
    ]);
  });

  test("verify-auth, leave and remove", async () => {
    expect(cells((await world.caxton("cluster", "verify-auth")).stdout)[1]).toEqual([
      "node-1",
      "match",
      "unknown",
      "-",
      "not asked",
    ]);
    const refused = await world.caxton("cluster", "remove", "--node", "node-2", "--yes");
    expect([refused.exit, refused.stderr]).toEqual([6, 'error: Node "node-2" is alive\n']);
    const left = await world.caxton("cluster", "leave", "--node", "node-2", "--drain-timeout", "5s");
    expect(left).toMatchObject({ exit: 0, stdout: "Node node-2 has left\n" });
    expect(world.services.left).toEqual([{ node: "node-2", drain_ms: 5_000 }]);
    expect((await world.caxton("cluster", "members")).stdout).toMatch(/^node-2 +left /m);
    expect((await world.caxton("cluster", "remove", "--node", "node-2", "--force", "--yes")).stdout).toBe(
      "Removed node-2\n",
    );
    expect((await world.caxton("cluster", "ping", "nobody")).exit).toBe(5);
  });
});

test("security rotate-gossip-key says what became of each node", async () => {
  const { stdout, stderr, exit } = await world.caxton("security", "rotate-gossip-key");
  expect(cells(stdout)).toEqual([
    ["NODE-ID", "STATUS"],
    ["node-1", "rotated"],
    ["node-2", "rotated"],
    ["node-3", "down"],
  ]);
  expect(stderr).toBe(
    "Gossip key 0000000000000001 replaces 0000000000000000\n" +
      "1 of 3 nodes are down and take it when they are back\n",
  );
  expect(exit).toBe(0);
});

describe("agents", () => {
  test("deploy, list by the plural too, show, suspend, resume, remove", async () => {
    await deployEcho();
    expect(cells((await world.caxton("agents", "list")).stdout)).toEqual([
      ["AGENT-ID", "NODE", "STATUS", "REVISION"],
      ["echo", "node-1", "running", "1"],
    ]);
    expect(cells((await world.caxton("agent", "list", "--by-node")).stdout)[1]).toEqual([
      "node-1",
      "echo",
      "running",
      "1",
    ]);
    const shown = Object.fromEntries(cells((await world.caxton("agent", "show", "echo")).stdout));
    expect(shown).toMatchObject({
      "AGENT-ID": "echo",
      DURABILITY: "local",
      MEMORY: "64KiB of 64MiB",
      HANDLED: "7",
    });
    expect((await world.caxton("agent", "suspend", "echo")).stdout).toBe("Suspended echo\n");
    expect((await world.caxton("agent", "list", "--status", "suspended")).stdout).toContain("echo");
    expect((await world.caxton("agent", "resume", "echo")).stdout).toBe("Resumed echo\n");
    expect((await world.caxton("agents", "remove", "echo", "--yes")).stdout).toBe("Removed echo\n");
    const gone = await world.caxton("agent", "show", "echo");
    expect([gone.exit, gone.stderr]).toEqual([5, 'error: No agent "echo"\n']);
  });

  test("are listed as people count, and told how many are on each node", async () => {
    for (const name of ["a10", "a2", "a1"]) await deployEcho(name);
    const { stdout, stderr } = await world.caxton("agent", "list", "--by-node");
    expect(cells(stdout).map((row) => row[1])).toEqual(["AGENT-ID", "a1", "a2", "a10"]);
    expect(stderr).toBe("node-1: 3\n");
    expect(cells((await world.caxton("agent", "list")).stdout).map((row) => row[0])).toEqual([
      "AGENT-ID",
      "a1",
      "a2",
      "a10",
    ]);
  });

  test("deploy says why with wide, takes both spellings, and refuses what is no module", async () => {
    const file = join(world.folder, "a.wasm");
    writeFileSync(file, Uint8Array.of(0));
    const flags = [
      "--name",
      "a",
      "--placement-strategy",
      "least-loaded",
      "--capability",
      "log,send",
      "--memory",
      "1MiB",
    ];
    const done = await world.caxton("agent", "deploy", file, ...flags, "--format", "wide");
    expect(done.stdout).toContain("Why: least loaded\n");
    expect([...world.services.held.values()][0]?.spec).toMatchObject({
      capabilities: ["log", "send"],
      placement: { strategy: "least_loaded" },
      limits: { memory_bytes: 1_048_576 },
    });
    writeFileSync(file, "text");
    expect(await world.caxton("deploy", file, "--name", "b")).toMatchObject({ exit: 2, stdout: "" });
    expect((await world.caxton("deploy", "gone.wasm", "--name", "b")).stderr).toBe(
      `error: Cannot read module "gone.wasm" (${resolve("gone.wasm")}): there is no such file or folder\n`,
    );
    const folder = await world.caxton("deploy", world.folder, "--name", "b");
    expect([folder.exit, folder.stderr]).toEqual([
      2,
      `error: Cannot read module ${JSON.stringify(world.folder)}: it is a folder, not a file\n`,
    ]);
  });

  test("show tells why a failed agent failed, which traps it had and how often", async () => {
    await deployEcho();
    const held = [...world.services.held.values()][0];
    if (held === undefined) throw new Error("nothing was deployed");
    held.trouble = {
      traps: 3,
      restarts: 2,
      trap_kinds: { memory: 1, fuel: 2 },
      last_trap: { kind: "fuel", text: "handling a message: used all 9 units of fuel", at_ms: 0 },
      reason: "Trapped (fuel: used all 9 units of fuel) handling a message; more than 2 restarts in a minute",
    };
    const shown = Object.fromEntries(cells((await world.caxton("agent", "show", "echo")).stdout));
    expect(shown).toMatchObject({
      STATUS: "failed",
      TRAPS: "3 (fuel 2, memory 1)",
      "LAST-TRAP": "1970-01-01T00:00:00.000Z fuel, handling a message: used all 9 units of fuel",
      RESTARTS: "2 (at most 5 a minute)",
      FAILURE: held.trouble.reason,
    });
    const json = (await world.caxton("agent", "show", "echo", "-o", "json")).stdout;
    expect(JSON.parse(json)).toMatchObject({
      detail: { failure: held.trouble.reason, trap_kinds: { fuel: 2 } },
    });
  });

  test("logs are lines with their control characters shown", async () => {
    await deployEcho();
    const held = [...world.services.held.values()][0];
    held?.logs.push({ at_ms: 0, level: "info", text: "a\u001b[31mb\nc" });
    expect((await world.caxton("agent", "logs", "echo")).stdout).toBe(
      "1970-01-01T00:00:00.000Z [INFO] a\\x1b[31mb\\x0ac\n",
    );
  });
});

describe("what cannot be undone", () => {
  test.each([
    [["agent", "remove", "echo"], "Remove echo and what it keeps?"],
    [["cluster", "remove", "--node", "node-3"], "Forget node-3 everywhere?"],
    [["message", "dead-letters", "purge", "--all"], "Delete all dead letters for good?"],
  ])("%j needs --yes where nobody can be asked", async (command, question) => {
    await deployEcho();
    const { exit, stdout, stderr } = await world.caxton(...command);
    expect([exit, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(
      `error: ${question} Nothing was done: nobody can be asked here; --yes says so beforehand\n`,
    );
    expect([world.services.held.size, world.services.known.length]).toEqual([1, 3]);
    expect((await world.caxton(...command, "--yes")).exit).toBe(0);
  });
});

describe("messages", () => {
  test("with --wait the reply's content alone is printed", async () => {
    const sent = await world.caxton("message", "send", "--to", "echo", "--content", "hello", "--wait", "5s");
    expect(sent).toEqual({ exit: 0, stdout: "hello\n", stderr: "" });
  });

  test("without it the id and what became of the message", async () => {
    const { stdout } = await world.caxton(
      "message",
      "send",
      "--to",
      "echo",
      "--content",
      "x",
      "--performative",
      "QUERY_IF",
    );
    expect(stdout).toBe("Sent 00000000-0000-7000-8000-000000000001 (delivered)\n");
    expect(world.services.sent[0]?.message.performative).toBe("query-if");
  });

  test("content from a file, bytes included", async () => {
    const file = join(world.folder, "content");
    writeFileSync(file, Uint8Array.of(0xff, 0xfe, 0));
    await world.caxton("message", "send", "--to", "echo", "--content", `@${file}`);
    expect([...(world.services.sent[0]?.message.content ?? [])]).toEqual([0xff, 0xfe, 0]);
    writeFileSync(file, "text\n");
    await world.caxton("message", "send", "--to", "echo", "--content", `@${file}`);
    expect(new TextDecoder().decode(world.services.sent[1]?.message.content)).toBe("text\n");
    expect((await world.caxton("message", "send", "--to", "echo", "--content", "@gone")).exit).toBe(2);
  });

  test("no reply in time, and nobody there, fail with what to know", async () => {
    const late = await world.caxton("message", "send", "--to", "mute", "--content", "x", "--wait", "1ms");
    expect([late.exit, late.stdout]).toEqual([1, ""]);
    expect(late.stderr).toMatch(/^error: No reply from "mute" in time/);
    expect((await world.caxton("message", "send", "--to", "nobody", "--content", "x")).exit).toBe(5);
  });

  test("list, conversations and dead letters", async () => {
    await world.caxton("message", "send", "--to", "echo", "--content", "one", "--conversation-id", "c1");
    expect(cells((await world.caxton("message", "list")).stdout)[1]?.slice(1, 4)).toEqual([
      "~admin-user",
      "echo",
      "request",
    ]);
    expect((await world.caxton("conversation", "list")).stdout).toContain("~alice, echo");
    expect((await world.caxton("conversation", "show", "c1")).stdout).toContain("one");
    const [message] = world.services.sent.map((request) => request.message);
    if (message === undefined) throw new Error("nothing was sent");
    for (const id of [1, 2, 3]) world.services.deadLetter(id, message);
    for (const id of [1, 2]) world.services.deadLetter(id, message, "node-2");
    world.services.notAsked.push({ node: "node-3" as NodeId, reason: "it is failed" });
    const listed = await world.caxton("message", "dead-letters", "list");
    const rows = cells(listed.stdout);
    expect(rows[1]?.slice(0, 4)).toEqual(["1@node-1", "unknown_agent", "~admin-user", "echo"]);
    expect(rows.slice(1).map(([id]) => id)).toEqual([
      "1@node-1",
      "2@node-1",
      "3@node-1",
      "1@node-2",
      "2@node-2",
    ]);
    expect(listed.stderr).toBe("warning: node-3 could not be asked: it is failed\n");
    const ofOne = await world.caxton("message", "dead-letters", "list", "--node", "node-2");
    expect([cells(ofOne.stdout).length, ofOne.stderr]).toEqual([3, ""]);
    expect((await world.caxton("message", "dead-letters", "replay")).exit).toBe(2);
    expect((await world.caxton("message", "dead-letters", "replay", "1", "--all")).exit).toBe(2);
    expect((await world.caxton("message", "dead-letters", "replay", "1", "2")).stdout).toBe("Replayed 2\n");
    expect((await world.caxton("message", "dead-letters", "replay", "1@")).exit).toBe(2);
    expect((await world.caxton("message", "dead-letters", "replay", "3", "1@node-2")).stdout).toBe(
      "Replayed 2\n",
    );
    const purged = await world.caxton("message", "dead-letters", "purge", "--all", "--yes");
    expect([purged.stdout, purged.stderr]).toEqual(["Purged 1\n", listed.stderr]);
  });

  test("a queued message says what happens next", async () => {
    const { stdout } = await world.caxton("message", "send", "--to", "echo", "--content", "queued");
    expect(stdout.split("\n")[1]).toBe(
      "Its receiver's node cannot be reached now: tried for 1m (messaging.retry), " +
        "then it is in caxton message dead-letters list",
    );
  });

  test("an unknown conversation is not an empty one", async () => {
    const { exit, stdout, stderr } = await world.caxton("conversation", "show", "none");
    expect([exit, stdout]).toEqual([5, ""]);
    expect(stderr).toMatch(/^error: Node "node-1" keeps no conversation "none": /);
  });
});
