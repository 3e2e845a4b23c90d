import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runInProcess } from "../../support/cli-world.ts";

let home = "";

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "caxton-usage-"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const caxton = (...args: readonly string[]) => runInProcess(args, { HOME: home });

describe("a wrong command line is refused with the nearest right one, in one line, with exit 2", () => {
  test.each([
    ["clster members", 'error: there is no command "clster"; did you mean cluster?; see caxton --help'],
    ["cluster membres", 'error: there is no command "membres"; did you mean members?; see caxton --help'],
    ["cluster members --fromat json", "error: there is no flag --fromat; did you mean --format?"],
    ["server start --nod-id x", "error: there is no flag --nod-id; did you mean --node-id?"],
    ["cluster members -x", "error: there is no flag -x"],
    ["cluster members -o yaml", 'error: --format: "yaml" is not one of table, json, wide'],
    ["cluster members extra", 'error: "extra" is one argument too many'],
    ["cluster members --request-timeout soon", "error: --request-timeout: Duration"],
    ["cluster ping", "error: NODE is needed"],
    ["cluster ping ../etc", "error: NODE: Node id"],
    ["agent show a/b", "error: NAME: Agent name"],
    ["message send --to a", "error: --content is needed, with a value"],
    [
      "message send --to a --content x --priority hihg",
      'error: --priority: "hihg" is not one of low, normal, high, critical; did you mean high?',
    ],
    ["cluster members --api ftp://x", 'error: API address "ftp://x" is not like http://127.0.0.1:8080'],
    ["cluster members --request-timeout 99999999h", "error: --request-timeout: Duration"],
    ["cluster leave --drain-timeout 99999h", "error: --drain-timeout: Duration"],
    ["message send --to a --content x --wait 6m", "error: --wait: Duration"],
    [
      "message send --to a --content @/dev/zero --api 127.0.0.1:1 --token t",
      "error: Cannot read the content from",
    ],
    ["deploy /dev/zero --name a --api 127.0.0.1:1 --token t", "error: Cannot read module"],
    ["message send --to a --content x --reply-by 3xs", 'error: --reply-by: Duration "3xs" is not like'],
    ["cluster members --token a\nb", "error: The token is not one line"],
    ["cluster members --api-key k", "error: there is no flag --api-key"],
    [
      "context add one --api foo",
      'error: API address "foo" is not like http://127.0.0.1:8080 or 10.0.0.1:8080',
    ],
  ])("%s", async (line, beginning) => {
    const { exit, stdout, stderr } = await caxton(...line.split(" "));
    expect([exit, stdout]).toEqual([2, ""]);
    expect(stderr.startsWith(beginning)).toBe(true);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});

test("an unreachable node is exit 3, a missing token 4, both with what to do", async () => {
  const unreachable = await caxton("cluster", "members", "--token", "t", "--api", "http://127.0.0.1:1");
  expect([unreachable.exit, unreachable.stderr]).toEqual([
    3,
    "error: Cannot reach http://127.0.0.1:1: connection refused. Is the node running?\n",
  ]);
  const tokenless = await caxton("cluster", "members", "--data-dir", home);
  expect(tokenless.exit).toBe(4);
  expect(tokenless.stderr).toContain("caxton server start");
});

test("help names every noun, and no alias", async () => {
  const { stdout, exit } = await caxton();
  expect(exit).toBe(0);
  for (const noun of [
    "server",
    "deploy",
    "agent",
    "message",
    "conversation",
    "cluster",
    "kv",
    "lock",
    "security",
    "config",
    "context",
  ]) {
    expect(stdout).toContain(`  ${noun} `);
  }
  expect(stdout).not.toContain("agents list");
  expect((await caxton("agent", "--help")).stdout).not.toContain("deploy");
});

test("a noun alone shows its verbs", async () => {
  const { stdout, exit } = await caxton("cluster");
  expect([exit, stdout.includes("verify-auth")]).toEqual([0, true]);
});

test("a configuration that is a folder is refused with a sentence", async () => {
  const { exit, stderr } = await caxton("config", "validate", "--config", home);
  expect([exit, stderr]).toEqual([2, `error: ${home}: cannot be read: it is a folder, not a file\n`]);
});

test("version", async () => {
  expect((await caxton("version")).stdout).toMatch(/^caxton \d+\.\d+\.\d+ \(Bun /);
  expect((await caxton("--version")).stdout).toBe((await caxton("version")).stdout);
  expect((await caxton("--version")).exit).toBe(0);
  expect(JSON.parse((await caxton("version", "-o", "json")).stdout)).toHaveProperty("version");
});

describe("config", () => {
  test("init writes a file once; validate accepts it; show names sources and hides secrets", async () => {
    const file = join(home, "caxton.yaml");
    expect((await caxton("config", "init", file)).exit).toBe(0);
    expect((await caxton("config", "init", file)).exit).toBe(6);
    expect((await caxton("config", "validate", "--config", file)).stdout).toBe(`OK: ${file}\n`);
    writeFileSync(file, "security: {cluster: {key: hidden}}\naudit: {retention: 1h}\n");
    const valid = await caxton("config", "validate", "--config", file);
    expect(valid.stderr).toBe(
      `warning: ${file}:2:20: audit.retention is accepted but has no effect in this version\n`,
    );
    const shown = await caxton("config", "show", "--config", file);
    expect(shown.stdout).toContain("********");
    expect(shown.stdout).not.toContain("hidden");
    expect(shown.stdout).not.toContain("default");
    expect((await caxton("config", "show", "--effective", "--config", file)).stdout).toContain(
      "127.0.0.1:8080",
    );
  });

  test("every problem is a line of its own", async () => {
    const file = join(home, "caxton.yaml");
    writeFileSync(file, "nod: {}\ncluster: {name: '!'}\n");
    const { exit, stderr } = await caxton("config", "validate", "--config", file);
    expect(exit).toBe(2);
    const lines = stderr.trimEnd().split("\n");
    expect(lines[0]).toBe(`error: ${file}:1:1: unknown key "nod"; did you mean "node"?`);
    expect(lines[1]?.startsWith(`error: ${file}:2:17: cluster.name must be `)).toBe(true);
  });

  test("schema is JSON", async () => {
    expect(JSON.parse((await caxton("config", "schema")).stdout)).toHaveProperty("properties");
  });
});

describe("contexts", () => {
  test("the first becomes current; another is chosen; tokens are kept secret", async () => {
    await caxton("context", "add", "one", "--api", "https://one:8080", "--token", "secret-one");
    await caxton("context", "add", "two", "--api", "two:8080");
    const path = join(home, ".config", "caxton", "contexts.json");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8")).toContain("secret-one");
    const listed = await caxton("context", "list");
    expect(listed.stdout).toMatch(/one +https:\/\/one:8080 +\*\ntwo +http:\/\/two:8080\n/);
    expect(listed.stdout).not.toContain("secret-one");
    expect((await caxton("context", "use", "tow")).stderr).toBe(
      'error: There is no context "tow": did you mean two?\n',
    );
    expect((await caxton("context", "use", "two")).exit).toBe(0);
    expect((await caxton("context", "list", "-o", "json")).stdout).toContain('"current": true');
  });

  test("the first says that it is current, and there is a way back to the local node", async () => {
    const add = async (...words: readonly string[]) => await caxton("context", "add", ...words);
    expect((await add("one", "--api", "https://one:8080")).stdout).toBe(
      "Saved one: https://one:8080; commands talk to it from now on\n",
    );
    expect((await add("two", "--api", "two:8080")).stdout).toBe(
      "Saved two: http://two:8080; caxton context use two talks to it\n",
    );
    expect((await caxton("cluster", "members", "--token", "t")).stderr).toContain("https://one:8080");
    const local = await caxton("cluster", "members", "--context", "local", "--token", "t");
    expect(local.stderr).not.toContain("https://one:8080");
    expect((await caxton("context", "use", "local")).stdout).toBe("Using the local node\n");
    expect((await caxton("context", "list")).stdout).not.toContain("*");
    expect((await add("local", "--api", "one:1")).exit).toBe(2);
  });

  test("a name is not given twice unless one says so", async () => {
    await caxton("context", "add", "one", "--api", "one:8080");
    const again = await caxton("context", "add", "one", "--api", "other:8080");
    expect([again.exit, again.stderr]).toEqual([
      6,
      'error: There is a context "one" already (http://one:8080): take another name, or say --replace\n',
    ]);
    for (const [flag, api] of [
      ["--replace", "http://b:1"],
      ["--yes", "http://c:1"],
    ] as const) {
      expect((await caxton("context", "add", "one", "--api", api, flag)).exit).toBe(0);
      expect((await caxton("context", "list")).stdout).toContain(api);
    }
  });

  test("one is forgotten with its token; after the current one it is the local node's turn", async () => {
    await caxton("context", "add", "one", "--api", "one:8080", "--token", "secret-one");
    await caxton("context", "add", "two", "--api", "two:8080");
    expect((await caxton("context", "remove", "tow")).exit).toBe(5);
    expect((await caxton("context", "remove", "two")).stdout).toBe("Removed two\n");
    expect((await caxton("context", "remove", "one")).stdout).toBe(
      "Removed one; commands talk to the local node again\n",
    );
    expect(readFileSync(join(home, ".config", "caxton", "contexts.json"), "utf8")).not.toContain("secret");
    expect((await caxton("context", "add", "three", "--api", "three:1")).stdout).toContain("from now on");
  });

  test("a broken file says so", async () => {
    await caxton("context", "add", "one", "--api", "https://one:8080");
    writeFileSync(join(home, ".config", "caxton", "contexts.json"), "{");
    expect((await caxton("context", "list")).stderr).toContain("delete it to begin anew");
  });
});
