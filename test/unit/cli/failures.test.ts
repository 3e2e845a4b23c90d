/** How failures are told: lines for people, and with `-o json` one problem document; and the help's own words. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { cliWorld, runInProcess } from "../../support/cli-world.ts";

const home = mkdtempSync(join(tmpdir(), "caxton-failures-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const caxton = (line: string) => runInProcess(line.split(" "), { HOME: home });

let world: Awaited<ReturnType<typeof cliWorld>>;
beforeEach(async () => {
  world = await cliWorld();
});
afterEach(() => world.dispose());

describe("with JSON asked for, an error is one problem on standard error", () => {
  test("what the node refused", async () => {
    for (const format of [["-o", "json"], ["--format=json"], ["--output", "json"]]) {
      const { exit, stdout, stderr } = await world.caxton("agent", "show", "nope", ...format);
      expect([exit, stdout, stderr.split("\n").length]).toEqual([5, "", 2]);
      expect(JSON.parse(stderr)).toEqual({
        type: "urn:caxton:problem:agent_not_found",
        title: "Agent not found",
        status: 404,
        detail: 'No agent "nope"',
        code: "agent_not_found",
        retryable: false,
        exit: 5,
      });
    }
    expect((await world.caxton("agent", "show", "nope")).stderr).toBe('error: No agent "nope"\n');
  });

  test.each([
    ["agent show a/b -o json", "NAME: Agent name"],
    ["agent shwo a --format json", 'there is no command "shwo"'],
    ["agent show a --fromat x -o json", "there is no flag --fromat"],
  ])("a wrong command line: %s", async (line, words) => {
    const { exit, stderr } = await caxton(line);
    expect(exit).toBe(2);
    const problem = JSON.parse(stderr) as { readonly detail: string };
    expect(problem).toMatchObject({ code: "invalid_argument", exit: 2 });
    expect(problem.detail.startsWith(words)).toBe(true);
  });
});

test("`help` is what people try who do not know --help", async () => {
  expect((await caxton("help")).stdout).toBe((await caxton("--help")).stdout);
  expect((await caxton("help agent list")).stdout).toBe((await caxton("agent list --help")).stdout);
  expect((await caxton("help agent list")).stdout).toContain("caxton agent list --by-node");
  expect((await caxton("help nonsense")).exit).not.toBe(0);
});

test("only flags that are listed, and near, are suggested", async () => {
  expect((await caxton("cluster members --foo")).stderr).toBe("error: there is no flag --foo\n");
  expect((await caxton("cluster members --colr")).stderr).toBe(
    "error: there is no flag --colr; did you mean --no-color?\n",
  );
  expect((await caxton("cluster members --no-colr")).exit).toBe(2);
  expect((await caxton("server start --data-dri x")).stderr).toContain("did you mean --data-dir?");
});

describe("usage lines", () => {
  test.each([
    ["config init", "config init [FILE]"],
    ["message dead-letters purge", "message dead-letters purge (ID... | --all)"],
    ["message dead-letters replay", "message dead-letters replay (ID... | --all)"],
    ["deploy", "deploy --name N FILE.wasm"],
    ["agent migrate", "agent migrate --to NODE NAME"],
    ["message send", "message send --to NAME --content TEXT|@FILE|-"],
    ["cluster members", "cluster members"],
  ])("of %s", async (command, usage) => {
    const { stdout } = await caxton(`${command} --help`);
    expect(stdout.split("\n").slice(0, 2)).toEqual(["USAGE", `  caxton ${usage}`]);
  });

  test("of a noun's commands are the same", async () => {
    expect((await caxton("config --help")).stdout).toContain("  caxton config init [FILE]\n");
  });
});

test("the help lists the values of a choice, as its examples write them, and no more than helps", async () => {
  const { stdout } = await caxton("deploy --help");
  expect(stdout).toContain("restart elsewhere, or wait");
  expect(stdout).toContain("park there, or continue");
  expect(stdout).not.toContain("least-loaded");
  expect(stdout).not.toContain("separator");
  expect(stdout).not.toContain("api-key");
  expect((await caxton("message watch --help")).stdout).toContain("dead letters");
});
