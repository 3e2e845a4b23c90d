import { describe, expect, test } from "vitest";
import { effectiveRows } from "../../../src/config/effective.ts";
import { variableOf } from "../../../src/config/environment.ts";
import { flagPaths } from "../../../src/config/flag-paths.ts";
import { configJsonSchema } from "../../../src/config/json-schema.ts";
import { keysByPath } from "../../../src/config/keys.ts";
import { loadConfig } from "../../../src/config/load-config.ts";
import type { LoadedConfig } from "../../../src/config/load-config.ts";
import { diffForReload } from "../../../src/config/reload-diff.ts";
import { starterFile } from "../../../src/config/starter-file.ts";

function load(yaml: string, env: Record<string, string> = {}): LoadedConfig {
  return loadConfig({ flags: {}, env, readFile: (path) => (path === "./caxton.yaml" ? yaml : null) });
}

describe("every key", () => {
  test("has a default that its own schema accepts, and a sentence", () => {
    expect(load("").values.size).toBe(keysByPath.size);
    for (const [path, key] of keysByPath) expect([path, key.help.endsWith(".")]).toEqual([path, true]);
  });

  test("can be set by its own environment variable", () => {
    const variables = [...keysByPath.keys()].map(variableOf);
    expect(new Set(variables).size).toBe(variables.length);
  });

  test("that a flag sets exists", () => {
    for (const path of Object.values(flagPaths)) expect(keysByPath.has(path)).toBe(true);
  });
});

describe("the effective table", () => {
  test("masks secrets wherever they come from and names each source", () => {
    const loaded = load("security: {cluster: {gossip: {keys: [aGlkZGVu]}}}\nnode: {region: eu}", {
      CAXTON_CLUSTER_KEY: "topsecret",
    });
    const rows = effectiveRows(loaded);
    const text = JSON.stringify(rows);
    expect(text).not.toContain("topsecret");
    expect(text).not.toContain("aGlkZGVu");
    const row = (key: string): unknown => rows.find((one) => one.key === key);
    expect(row("security.cluster.key")).toEqual({
      key: "security.cluster.key",
      value: "********",
      source: "CAXTON_CLUSTER_KEY",
    });
    expect(row("node.region")).toEqual({ key: "node.region", value: "eu", source: "./caxton.yaml:2:16" });
    expect(row("transport.connect_timeout")).toEqual({
      key: "transport.connect_timeout",
      value: "5s",
      source: "default",
    });
    expect(row("audit.retention")).toBe(undefined);
  });
});

describe("a reload", () => {
  test("tells what is live from what needs a restart", () => {
    const before = load("node: {region: eu}");
    const after = load(
      "node: {region: us}\nobservability: {log_level: debug}\ncoordination: {cluster: {seeds: [a:1]}}",
    );
    expect(diffForReload(before, after)).toEqual({
      live: ["coordination.cluster.seeds", "observability.log_level"],
      restart: ["node.region"],
    });
    expect(diffForReload(before, before)).toEqual({ live: [], restart: [] });
  });

  test("sees no change in another spelling of the same value", () => {
    const [before, after] = [load("transport: {keep_alive: 10s}"), load("transport: {keep_alive: 10000ms}")];
    expect(diffForReload(before, after)).toEqual({ live: [], restart: [] });
  });
});

test("the JSON Schema has every key, closed sections and the defaults", () => {
  const schema = configJsonSchema() as { properties: Record<string, Record<string, unknown>> };
  const text = JSON.stringify(schema);
  for (const path of keysByPath.keys()) {
    const pointer = path.split(".").join(".properties.");
    const found = pointer
      .split(".")
      .reduce<unknown>((at, word) => (at as Record<string, unknown>)[word], schema.properties);
    expect([path, typeof found]).toEqual([path, "object"]);
  }
  expect(schema.properties["partition"]).toEqual({ $ref: "#/properties/coordination/properties/partition" });
  expect(text).toContain('"enum":["local","lan","wan","auto"]');
});

test("the starter file changes nothing, and neither does the same file without its marks", () => {
  const starter = starterFile();
  expect(load(starter).config).toEqual(load("").config);
  const active = starter
    .split("\n")
    .filter((line) => /^# {1,9}[a-z_]+:/.test(line))
    .map((line) => line.slice(2))
    .join("\n");
  const loaded = load(active);
  expect(loaded.config).toEqual(load("").config);
  expect(loaded.values.get("node.region")?.source.kind).toBe("file");
});
