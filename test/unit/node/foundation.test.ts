/** What a node refuses to stand on. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { loadConfig, type LoadedConfig } from "../../../src/config/load-config.ts";
import { openDataDirectory } from "../../../src/node/data-directory.ts";
import { openFoundation } from "../../../src/node/foundation.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const directory = temporaryDirectory("foundation");
afterEach(() => directory.remove());

function configOf(path: string): LoadedConfig {
  return loadConfig({ flags: { "data-dir": path }, env: {}, readFile: () => null });
}

/** A data directory of a cluster, as a first start leaves it, but for the key. */
function usedDirectory(): string {
  const { path } = directory;
  const initial = { nodeId: "node-1" as NodeId, cluster: "caxton" };
  const opened = openDataDirectory(path, { nodeId: undefined, cluster: undefined, initial, wall_ms: 1 });
  opened.adoptCluster("9f0f6c0e-61a5-4b3c-8a5e-0d9f0d1c2b3a");
  opened.close();
  return path;
}

describe("the cluster key", () => {
  test("is never made anew for a directory that is of a cluster already", async () => {
    const path = usedDirectory();
    await expect(openFoundation(configOf(path))).rejects.toThrow("is missing");
    expect(existsSync(join(path, "cluster.key"))).toBe(false);
    expect(existsSync(join(path, "store.db"))).toBe(false);
    // Nothing is left locked.
    await expect(openFoundation(configOf(path))).rejects.toThrow("is missing");
  });
});
