/** Completion as the shells ask for it: the words, and each shell that is here running its script. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { completionScripts } from "../../../src/cli/completion-scripts.ts";
import { completionsOf } from "../../../src/cli/run.ts";
import { cliWorld, runInProcess } from "../../support/cli-world.ts";

/** Command lines, the last word being the one begun, and what may stand in its place. */
const lines: readonly (readonly [string, readonly string[]])[] = [
  ["caxton clu", ["cluster"]],
  ["caxton cluster verify-", ["verify-auth"]],
  ["caxton agents l", ["list", "logs"]],
  ["caxton message dead-letters ", ["list", "replay", "purge"]],
  ["caxton message dead-letters list --nod", ["--node"]],
  ["caxton deploy a.wasm --placement-strategy least-l", ["least-loaded"]],
  ["caxton deploy a.wasm --placement-strategy least", ["least_loaded", "least_agents", "least_connections"]],
  ["caxton deploy a.wasm --capability log,ti", ["log,time", "log,timer"]],
  ["caxton message send --to echo --performative query", ["query-if", "query-ref"]],
  ["caxton cluster members -o j", ["json"]],
  ["caxton cluster members --format=", ["--format=table", "--format=json", "--format=wide"]],
  ["caxton cluster members --no", ["--no-color"]],
  ["caxton completion ", ["bash", "zsh", "fish"]],
  ["caxton server start --adv", ["--advertise-addr"]],
  ["caxton nonsense ", []],
];

test.each(lines)("after %j", async (line, expected) => {
  const streams = { stdout: { write: () => true }, stderr: { write: () => true }, env: {} };
  const answer = await completionsOf(line.split(" ").slice(1), streams);
  const words = answer.split("\n").map((each) => each.split("\t")[0] ?? "");
  expect(words.filter((word) => word !== "")).toEqual(expected);
});

describe("names of agents and nodes", () => {
  let world: Awaited<ReturnType<typeof cliWorld>>;
  beforeAll(async () => {
    world = await cliWorld();
    const file = join(world.folder, "a.wasm");
    writeFileSync(file, Uint8Array.of(0, 1, 2));
    for (const name of ["visits", "vitals", "echo"]) await world.caxton("deploy", file, "--name", name);
  });
  afterAll(() => world.dispose());

  const complete = async (line: string, fetch?: (url: string, init: RequestInit) => Promise<Response>) => {
    const streams = {
      stdout: { write: () => true },
      stderr: { write: () => true },
      env: { HOME: world.folder },
    };
    const send = fetch ?? (async (url, init) => await world.app.fetch(new Request(url, init)));
    const words = line.replaceAll("DIR", world.folder).split(" ");
    return (await completionsOf(words, streams, send))
      .split("\n")
      .flatMap((each) => each.split("\t")[0] || []);
  };

  test.each([
    ["message send --data-dir DIR --to vi", ["visits", "vitals"]],
    ["--data-dir DIR agent show v", ["visits", "vitals"]],
    ["agent migrate --data-dir=DIR visits --to node-", ["node-1", "node-2", "node-3"]],
    ["cluster ping --data-dir DIR node-3", ["node-3"]],
    ["deploy a.wasm --data-dir DIR --prefer-nodes node-1,node-2", ["node-1,node-2"]],
    [
      "message dead-letters list --data-dir DIR --node=n",
      ["--node=node-1", "--node=node-2", "--node=node-3"],
    ],
    ["help agent sh", ["show"]],
  ])("after %j", async (line, expected) => {
    expect(await complete(line)).toEqual(expected);
  });

  test("none, and no error, where the node does not answer or nobody knows a token", async () => {
    const refuse = () => Promise.reject(new TypeError("connection refused"));
    expect(await complete("message send --data-dir DIR --to vi", refuse)).toEqual([]);
    expect(await complete("message send --data-dir /nowhere --to vi")).toEqual([]);
  });

  test.each([
    ["deploy ", [":files"]],
    ["deploy mod", [":files"]],
    ["config validate --config ca", [":files"]],
    ["cluster members --data-dir ", [":files"]],
    ["message send --content ", []],
  ])("files only where one is wanted: %j", async (line, expected) => {
    expect(await complete(line)).toEqual(expected);
  });
});

test("nothing that is hidden is proposed", async () => {
  const streams = { stdout: { write: () => true }, stderr: { write: () => true }, env: {} };
  const flags = await completionsOf(["cluster", "members", "--"], streams);
  expect(flags).toContain("--format\t");
  expect(flags).not.toContain("--output");
  expect(await completionsOf(["agent", "de"], streams)).toBe("");
});

test("a script is printed for each shell, and no other", async () => {
  for (const shell of ["bash", "zsh", "fish"] as const)
    expect((await runInProcess(["completion", shell], {})).stdout).toBe(`${completionScripts[shell]}\n`);
  expect((await runInProcess(["completion", "tcsh"], {})).exit).toBe(2);
});

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "caxton-completion-"));
  const main = join(import.meta.dirname, "..", "..", "..", "src", "cli", "main.ts");
  const program = join(folder, "caxton");
  writeFileSync(program, `#!/bin/sh\nexec bun ${JSON.stringify(main)} "$@"\n`);
  chmodSync(program, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function has(shell: string): boolean {
  return spawnSync(shell, ["-c", "exit 0"]).status === 0;
}

function shellSays(shell: string, args: readonly string[], script: string): string[] {
  const env = { ...process.env, PATH: `${folder}${delimiter}${process.env["PATH"]}` };
  const { stdout, stderr } = spawnSync(shell, [...args, script], { env, encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((line) => line !== "");
}

describe.skipIf(!has("bash"))("bash", () => {
  /** As Bash itself sets them: words are cut at `=` as well. */
  const ask = (line: string): string[] => {
    const words = line
      .split(/(=)| /)
      .filter((word, at, all) => word !== undefined && (word !== "" || at === all.length - 1));
    if (words.at(-1) === "" && words.at(-2) === "=") words.pop();
    const quoted = words.map((word) => `'${word}'`).join(" ");
    return shellSays(
      "bash",
      ["-c"],
      `${completionScripts.bash}
COMP_LINE='${line}'; COMP_POINT=${line.length}; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}
_caxton; printf '%s\\n' "\${COMPREPLY[@]}"`,
    );
  };

  test.each([
    ["caxton cluster verify-", ["verify-auth"]],
    ["caxton message dead-letters ", ["list", "replay", "purge"]],
    ["caxton deploy a.wasm --placement-strategy least-l", ["least-loaded"]],
    ["caxton cluster members --format=j", ["json"]],
    ["caxton cluster members --format=", ["table", "json", "wide"]],
    ["caxton nonsense ", []],
  ])("%j", (line, expected) => {
    expect(ask(line)).toEqual(expected);
  });
});

describe.skipIf(!has("fish"))("fish", () => {
  test.each([
    ["caxton cluster verify-", ["verify-auth"]],
    ["caxton message dead-letters ", ["list", "purge", "replay"]],
    ["caxton cluster members --format=j", ["--format=json"]],
  ])("%j", (line, expected) => {
    const answers = shellSays("fish", ["-c"], `${completionScripts.fish}\ncomplete -C '${line}'`);
    expect(answers.map((answer) => answer.split("\t")[0]).toSorted()).toEqual(expected);
  });
});

test.skipIf(!has("zsh"))("zsh reads its script", () => {
  shellSays(
    "zsh",
    ["-c"],
    `autoload -Uz compinit && compinit -D\n${completionScripts.zsh}\nwhich _caxton >/dev/null`,
  );
});
