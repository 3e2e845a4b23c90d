/** `caxton kv` and `caxton lock`, against an API over services in memory. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { cliWorld } from "../../support/cli-world.ts";

let world: Awaited<ReturnType<typeof cliWorld>>;
beforeEach(async () => {
  world = await cliWorld();
});
afterEach(() => world.dispose());

async function json(...args: readonly string[]): Promise<Record<string, unknown>> {
  const { exit, stdout, stderr } = await world.caxton(...args, "--format", "json");
  expect([exit, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe("keys", () => {
  test("are written, read as they were written, listed and deleted", async () => {
    const { version } = await json("kv", "put", "config/colour", "green");
    expect((await world.caxton("kv", "get", "config/colour")).stdout).toBe("green");
    expect(await json("kv", "get", "config/colour")).toMatchObject({ value: "green", version });
    const again = await world.caxton("kv", "put", "config/colour", "blue");
    expect(again.stdout).toMatch(/^Wrote config\/colour \(version \d+\)\n$/);
    expect((await world.caxton("kv", "put", "other", "1")).stdout).toMatch(/^Created other/);
    const { stdout } = await world.caxton("kv", "list", "config/", "--format", "wide");
    const [titles = "", ...rows] = stdout.trimEnd().split("\n");
    expect(titles.split(/ {2,}/)).toEqual(["KEY", "VERSION", "SIZE", "MODIFIED", "TYPE"]);
    expect(rows).toEqual([expect.stringMatching(/^config\/colour .* 4B .*text\/plain; charset=utf-8$/)]);
    const all = await world.caxton("kv", "list", "--limit", "1");
    expect(all.stderr).toMatch(/^There are more: --cursor /);
    expect((await world.caxton("kv", "delete", "config/colour")).stdout).toMatch(/^Deleted config\/colour/);
    const gone = await world.caxton("kv", "get", "config/colour");
    expect([gone.exit, gone.stderr]).toEqual([5, 'error: No key "config/colour"\n']);
  });

  test("take files, bytes that are no text too, with a media type", async () => {
    const file = join(world.folder, "value");
    writeFileSync(file, Uint8Array.of(0xff, 0, 1));
    await world.caxton("kv", "put", "bytes", `@${file}`);
    expect(await json("kv", "get", "bytes")).toMatchObject({
      encoding: "base64",
      content_type: "application/octet-stream",
      value: "/wAB",
    });
    writeFileSync(file, "{}");
    await world.caxton("kv", "put", "document", `@${file}`, "--type", "application/json");
    expect(await json("kv", "get", "document")).toMatchObject({
      encoding: "utf-8",
      content_type: "application/json",
    });
    const missing = await world.caxton("kv", "put", "document", "@/nowhere");
    expect([missing.exit, missing.stderr]).toEqual([
      2,
      expect.stringContaining("Cannot read the value from"),
    ]);
  });

  test("are written and deleted only under their conditions, with exit 6 otherwise", async () => {
    const { version } = await json("kv", "put", "a", "1", "--if-absent");
    expect((await world.caxton("kv", "put", "a", "2", "--if-absent")).exit).toBe(6);
    const other = String(Number(version) + 100);
    expect((await world.caxton("kv", "put", "a", "2", "--if-version", other)).exit).toBe(6);
    expect((await world.caxton("kv", "delete", "a", "--if-version", other)).exit).toBe(6);
    expect((await world.caxton("kv", "put", "a", "2", "--if-version", String(version))).exit).toBe(0);
    expect((await world.caxton("kv", "get", "a")).stdout).toBe("2");
  });

  test("that cannot be are refused before anybody is asked", async () => {
    for (const [given, why] of [
      ["", "1 to 512 bytes"],
      ["a\nb", "without control characters"],
      ["..", "a URL takes it for a place"],
    ] as const) {
      const { exit, stderr } = await world.caxton("kv", "get", given);
      expect([given, exit, stderr]).toEqual([given, 2, expect.stringContaining(why)]);
    }
    const both = await world.caxton("kv", "put", "a", "1", "--if-absent", "--if-version", "1");
    expect([both.exit, both.stderr]).toEqual([2, expect.stringContaining("cannot both hold")]);
    const half = await world.caxton("kv", "put", "a", "1", "--lock", "build");
    expect([half.exit, half.stderr]).toEqual([2, expect.stringContaining("go together")]);
  });
});

async function acquired(name: string): Promise<string> {
  const { token } = (await json("lock", "acquire", name, "--ttl", "1m")) as { readonly token: number };
  return String(token);
}

describe("a lock", () => {
  test("is acquired, shown, renewed under its token and released", async () => {
    expect((await world.caxton("lock", "show", "build")).stdout).toBe("Lock build is free\n");
    const token = await acquired("build");
    const held = `Lock build is held by admin-user: fencing token ${token}, expires in 1m\n`;
    expect((await world.caxton("lock", "show", "build")).stdout).toBe(held);
    const refused = await world.caxton("lock", "acquire", "build");
    expect([refused.exit, refused.stderr]).toEqual([6, expect.stringContaining('Lock "build" is held by')]);
    const renewed = await world.caxton("lock", "acquire", "build", "--fencing-token", token, "--ttl", "2m");
    expect(renewed.stdout).toContain(`fencing token ${token}, expires in 2m`);
    expect((await world.caxton("lock", "release", "build", "--fencing-token", "999")).exit).toBe(6);
    const released = await world.caxton("lock", "release", "build", "--fencing-token", token);
    expect(released.stdout).toBe("Released build\n");
    const late = await world.caxton("lock", "acquire", "build", "--fencing-token", token);
    expect([late.exit, late.stderr]).toEqual([6, expect.stringContaining("no longer held")]);
  });

  test("fences writes: those under another token are not done", async () => {
    const token = await acquired("build");
    const put = (under: string) =>
      world.caxton("kv", "put", "result", "1", "--lock", "build", "--fencing-token", under);
    expect((await put(token)).exit).toBe(0);
    expect((await put(`${Number(token) + 1}`)).exit).toBe(6);
  });

  test("is waited for while another holds it", async () => {
    const token = await acquired("build");
    const waiting = world.caxton("lock", "acquire", "build", "--wait", "1h");
    await world.caxton("lock", "release", "build", "--fencing-token", token);
    expect((await waiting).stdout).toMatch(/^Lock build is held by admin-user: fencing token \d+/);
    const renewal = await world.caxton("lock", "acquire", "build", "--wait", "1s", "--fencing-token", "1");
    expect([renewal.exit, renewal.stderr]).toEqual([2, expect.stringContaining("--wait is for acquiring")]);
  });

  test.each(["", "with space", "x".repeat(129)])("cannot be called %j", async (name) => {
    const { exit, stderr } = await world.caxton("lock", "show", name);
    expect([exit, stderr]).toEqual([2, expect.stringContaining("Lock name")]);
  });
});
