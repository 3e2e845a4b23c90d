import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeContexts } from "../../../src/cli/contexts.ts";
import { findTarget } from "../../../src/cli/target.ts";
import type { Target } from "../../../src/cli/target.ts";

let home = "";
let data = "";

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "caxton-target-"));
  data = join(home, "data");
  mkdirSync(data);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function find(flags: Parameters<typeof findTarget>[0] = {}, env: Record<string, string> = {}): Target {
  return findTarget(flags, { HOME: home, ...env });
}

describe("the node to talk to", () => {
  test("is on loopback when nothing says otherwise", () => {
    expect(find({ dataDir: data })).toMatchObject({ api: "http://127.0.0.1:8080", token: null });
  });

  test("is not whoever else listens on the usual port, when the node of this data directory does not run", () => {
    writeFileSync(join(data, "admin.token"), "local-token\n");
    expect(() => find({ dataDir: data })).toThrow("is not running: start it");
    expect(find({ dataDir: data, token: "other" })).toMatchObject({ api: "http://127.0.0.1:8080" });
    expect(find({ dataDir: data, api: "127.0.0.1:8080" }).token).toBe("local-token");
  });

  test("is the one whose data directory it is, with its token and authority", () => {
    writeFileSync(join(data, "api.address"), "https://10.0.0.7:8443\n");
    writeFileSync(join(data, "admin.token"), "local-token\n");
    writeFileSync(join(data, "ca.pem"), "PEM");
    expect(find({ dataDir: data })).toEqual({
      api: "https://10.0.0.7:8443",
      token: "local-token",
      ca: "PEM",
      dataDir: data,
    });
    expect(find({}, { CAXTON_NODE__DATA_DIR: data }).api).toBe("https://10.0.0.7:8443");
  });

  test("follows flag, environment, context, data directory in this order", () => {
    writeFileSync(join(data, "api.address"), "http://127.0.0.1:1");
    writeContexts(
      { HOME: home },
      { current: "saved", contexts: { saved: { api: "http://saved:2", token: "saved-token" } } },
    );
    expect(find()).toMatchObject({ api: "http://saved:2", token: "saved-token" });
    expect(find({}, { CAXTON_API: "env:3", CAXTON_TOKEN: "env-token" })).toMatchObject({
      api: "http://env:3",
      token: "env-token",
    });
    expect(find({ api: "flag:4" }, { CAXTON_API: "env:3" })).toMatchObject({
      api: "http://flag:4",
      token: null,
    });
    expect(find({ dataDir: data }).api).toBe("http://127.0.0.1:1");
    expect(find({ dataDir: data, context: "saved" }).api).toBe("http://saved:2");
    expect(() => find({ context: "other" })).toThrow('There is no context "other"');
  });
});

describe("a token that was found by itself", () => {
  test("goes to loopback and over TLS, and in clear only where the data directory was named", () => {
    writeFileSync(join(data, "admin.token"), "local-token");
    const env = { CAXTON_NODE__DATA_DIR: data };
    expect(find({ api: "http://127.0.0.1:9" }, env).token).toBe("local-token");
    expect(find({ api: "http://[::1]:9" }, env).token).toBe("local-token");
    expect(find({ api: "https://node-2:9" }, env).token).toBe("local-token");
    expect(find({ api: "http://node-2:9" }, env).token).toBe(null);
    expect(find({ api: "http://node-2:9", dataDir: data }).token).toBe("local-token");
    expect(find({ api: "http://node-2:9", token: "t" }, env).token).toBe("t");
  });
});
