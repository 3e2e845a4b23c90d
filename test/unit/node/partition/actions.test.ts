import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PartitionActions, type PartitionPolicySettings } from "../../../../src/node/partition/actions.ts";
import { runProgram } from "../../../../src/platform/node/run-program.ts";
import { temporaryDirectory } from "../../../support/temporary-directory.ts";
import { until } from "../../../support/until.ts";

let directory: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  directory = temporaryDirectory("handler");
});
afterEach(() => directory.remove());

function program(text: string): string {
  const path = join(directory.path, "handler");
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

function actions(settings: Partial<PartitionPolicySettings>, queued = { writes: 0 }) {
  const decided: string[] = [];
  const failures: string[] = [];
  const applied: (string | null)[] = [];
  const made = new PartitionActions({
    settings: { strategy: "default", custom_handler: null, decisions: [], ...settings },
    node: "node-3",
    facts: () => ({
      nodes: 1,
      quorum: 2,
      voters: 1,
      queued_writes: queued.writes,
      critical_agents_present: false,
    }),
    decided: (action) => decided.push(action),
    applied: (action) => applied.push(action),
    handlerFailed: (reason) => failures.push(reason),
  });
  return { made, decided, applied, failures };
}

describe("what a minority does", () => {
  test("read-only by itself, nothing special in a majority", () => {
    const { made, decided, applied } = actions({});
    made.changed("majority", true);
    expect(made.action).toBeNull();
    made.changed("isolated", true);
    expect([made.action, decided]).toEqual(["read-only", ["read-only"]]);
    made.changed("healthy", true);
    expect(made.action).toBeNull();
    expect(applied).toEqual([null, "read-only", null]);
  });

  test("the documents' decisions", () => {
    const { made } = actions({
      strategy: "custom",
      decisions: [
        { condition: "nodes < quorum", action: "read-only" },
        { condition: "nodes == 1", action: "local-only" },
        { condition: "critical_agents_present", action: "continue-critical" },
      ],
    });
    made.changed("isolated", true);
    expect(made.action).toBe("local-only");
  });

  test("a handler is told the facts as JSON, and its word counts", async () => {
    const told = join(directory.path, "told");
    const { made, decided, failures } = actions({
      strategy: "custom",
      custom_handler: program(`cat > ${told}; echo '{"action":"stop"}'`),
    });
    made.changed("isolated", true);
    await until(() => decided.length === 2 || failures.length > 0);
    expect([decided, failures, made.action]).toEqual([["read-only", "stop"], [], "stop"]);
    expect(JSON.parse(readFileSync(told, "utf8"))).toEqual({
      node: "node-3",
      state: "isolated",
      nodes: 1,
      quorum: 2,
      voters: 1,
      queued_writes: 0,
      critical_agents_present: false,
      default_action: "read-only",
    });
  });

  test.each([
    ["exits badly", "echo oh no >&2; exit 3", "exited with 3: oh no"],
    ["answers nonsense", "echo reboot", 'did not print {"action"'],
    ["answers an action that is none", `echo '{"action":"explode"}'`, 'did not print {"action"'],
    [
      "floods",
      "while :; do echo 0123456789012345678901234567890123456789; done",
      "printed more than 65536 bytes",
    ],
    [
      "floods its errors",
      "while :; do echo 0123456789012345678901234567890123456789 >&2; done",
      "printed more than 65536 bytes",
    ],
  ])("a handler that %s leaves the default", async (_, text, reason) => {
    const { made, failures } = actions({ strategy: "custom", custom_handler: program(text) });
    made.changed("minority", true);
    await until(() => failures.length === 1);
    expect(failures[0]).toContain(reason);
    expect(made.action).toBe("read-only");
  });

  test("decisions follow what they look at; where a handler was asked, only once it failed", async () => {
    const gate = join(directory.path, "gate");
    const queued = { writes: 0 };
    const decisions = [{ condition: "queued_writes > 5", action: "stop" }] as const;
    const byDecisions = actions({ decisions }, queued);
    const custom_handler = program(`while [ ! -e ${gate} ]; do sleep 0.01; done; exit 1`);
    const asking = actions({ strategy: "custom", custom_handler, decisions }, queued);
    for (const { made } of [byDecisions, asking]) made.changed("minority", true);
    queued.writes = 6;
    for (const { made } of [byDecisions, asking]) made.changed("minority", false);
    expect([byDecisions.made.action, asking.made.action]).toEqual(["stop", "read-only"]);
    writeFileSync(gate, "");
    await until(() => asking.failures.length === 1);
    expect(asking.made.action).toBe("stop");
    queued.writes = 0;
    asking.made.changed("minority", false);
    expect(asking.made.action).toBe("read-only");
  });

  test("a handler that is not there leaves the default, too", async () => {
    const { made, failures } = actions({ strategy: "custom", custom_handler: "/nowhere/handler" });
    made.changed("minority", true);
    await until(() => failures.length === 1);
    expect(failures[0]).toContain("cannot be run");
    expect(made.action).toBe("read-only");
  });

  test("an answer that comes after the partition is over changes nothing", async () => {
    const gate = join(directory.path, "gate");
    const pidFile = join(directory.path, "pid");
    const { made, decided } = actions({
      strategy: "custom",
      custom_handler: program(
        `echo $$ > ${pidFile}; while [ ! -e ${gate} ]; do sleep 0.01; done; echo '{"action":"stop"}'`,
      ),
    });
    made.changed("minority", true);
    made.changed("healthy", true);
    await until(() => existsSync(pidFile) && readFileSync(pidFile, "utf8").endsWith("\n"));
    writeFileSync(gate, "");
    await until(() => !runs(Number(readFileSync(pidFile, "utf8"))));
    // What this one says comes after what that one said.
    await runProgram("/bin/true", "", { timeout_ms: 60_000, output_bytes: 10 });
    expect([made.action, decided]).toEqual([null, ["read-only"]]);
  });

  test("a custom strategy without anything custom is refused", () => {
    expect(() => actions({ strategy: "custom" })).toThrow("neither custom_handler nor decisions are set");
  });
});

test("a program that hangs is ended with everything it started", async () => {
  const pidFile = join(directory.path, "pid");
  const path = program(`sleep 600 & echo $! > ${pidFile}; sleep 600`);
  await expect(runProgram(path, "", { timeout_ms: 1_000, output_bytes: 10 })).rejects.toMatchObject({
    code: "timeout",
    message: `${path} did not end within 1000 ms`,
  });
  await until(() => !runs(Number(readFileSync(pidFile, "utf8"))));
});

test("what a program leaves in the background ends with it", async () => {
  const path = program("sleep 600 > /dev/null 2>&1 & echo $!");
  const pid = Number(await runProgram(path, "", { timeout_ms: 60_000, output_bytes: 100 }));
  await until(() => !runs(pid));
});

function runs(pid: number): boolean {
  try {
    // One that has ended and that nobody waited for is a zombie.
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
