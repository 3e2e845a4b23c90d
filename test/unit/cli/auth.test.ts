/** `caxton auth token`: the token alone on standard output, and good for what its role may. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { cliWorld } from "../../support/cli-world.ts";

let world: Awaited<ReturnType<typeof cliWorld>>;
beforeEach(async () => {
  world = await cliWorld();
});
afterEach(() => world.dispose());

test("a viewer's token looks, and does nothing else", async () => {
  const { exit, stdout, stderr } = await world.caxton(
    ...["auth", "token", "--role", "viewer", "--subject", "screen", "--expires-in", "8h"],
  );
  expect(exit).toBe(0);
  expect(stderr).toMatch(/^For screen \(viewer\), until \d{4}-.*: caxton --token, or CAXTON_TOKEN\n$/);
  const token = stdout.trim();
  expect(stdout).toBe(`${token}\n`);
  expect((await world.caxton("cluster", "members", "--token", token)).exit).toBe(0);
  expect(await world.caxton("auth", "token", "--role", "viewer", "--token", token)).toEqual({
    exit: 4,
    stdout: "",
    stderr: "error: screen has the role viewer, which lacks the permission security:manage\n",
  });
});

test("a role, a name and a lifetime that are none are refused before anything is asked", async () => {
  for (const [flags, words] of [
    [["--role", "root"], "--role"],
    [["--role", "viewer", "--subject", "a b"], "--subject"],
    [["--role", "viewer", "--expires-in", "90d"], "--expires-in"],
    [[], "--role is needed"],
  ] as const) {
    const { exit, stderr } = await world.caxton("auth", "token", ...flags);
    expect([exit, stderr.split("\n").length]).toEqual([2, 2]);
    expect(stderr).toContain(words);
  }
});
