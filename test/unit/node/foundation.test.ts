/** What a node refuses to stand on. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { loadConfig, type LoadedConfig } from "../../../src/config/load-config.ts";
import { openDataDirectory } from "../../../src/node/identity/data-directory.ts";
import { openFoundation } from "../../../src/node/foundation.ts";
import { refuseTakenAddresses } from "../../../src/node/process/free-addresses.ts";
import { freePort } from "../../support/free-port.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const directory = temporaryDirectory("foundation");
afterEach(() => directory.remove());

const anyPort = { "bind-addr": "127.0.0.1:0", "api-addr": "127.0.0.1:0", "metrics-addr": "127.0.0.1:0" };
const anyAddress = () => Promise.resolve();

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
    await expect(openFoundation(configOf(path), anyAddress)).rejects.toThrow("is missing");
    expect(existsSync(join(path, "cluster.key"))).toBe(false);
    expect(existsSync(join(path, "store.db"))).toBe(false);
    // Nothing is left locked.
    await expect(openFoundation(configOf(path), anyAddress)).rejects.toThrow("is missing");
  });

  test("of another cluster than the directory's is refused with what to do", async () => {
    const path = usedDirectory();
    const key = (byte: number) => Buffer.alloc(32, byte).toString("base64url");
    writeFileSync(join(path, "cluster.key"), `${key(1)}\n`, { mode: 0o600 });
    const env = { CAXTON_CLUSTER_KEY: key(2) };
    const loaded = loadConfig({ flags: { "data-dir": path }, env, readFile: () => null });
    await expect(openFoundation(loaded, anyAddress)).rejects.toThrow("name another --data-dir");
  });
});

describe("an address of another machine", () => {
  test("is refused as a taken one is, in words", async () => {
    const flags = { ...anyPort, "data-dir": directory.path, "api-addr": "192.0.2.1:8080" };
    const { config } = loadConfig({ flags, env: {}, readFile: () => null });
    await expect(refuseTakenAddresses(config)).rejects.toMatchObject({
      code: "port_in_use",
      exit: 1,
      message:
        "Cannot listen on 192.0.2.1:8080 (TCP): this machine has no such address; choose another with --api-addr",
    });
  });
});

describe("a taken address", () => {
  test.each(["bind-addr", "api-addr", "metrics-addr"])(
    "of --%s is told before a cluster is begun",
    async (flag) => {
      const port = await freePort();
      const server = createServer();
      await new Promise<void>((resolve) => {
        server.listen(port, "127.0.0.1", resolve);
      });
      try {
        const flags = { ...anyPort, "data-dir": directory.path, [flag]: `127.0.0.1:${port}` };
        const loaded = loadConfig({ flags, env: {}, readFile: () => null });
        await expect(openFoundation(loaded, () => refuseTakenAddresses(loaded.config))).rejects.toThrow(
          `Cannot listen on 127.0.0.1:${port} (TCP): the address is in use; choose another with --${flag}`,
        );
        expect(existsSync(join(directory.path, "cluster.key"))).toBe(false);
        expect(readFileSync(join(directory.path, "node.json"), "utf8")).toContain('"uuid": null');
        // Listening on it was only tried: it can be had as soon as it is free.
        await new Promise((resolve) => server.close(resolve));
        await refuseTakenAddresses(loaded.config);
        await refuseTakenAddresses(loaded.config);
      } finally {
        server.close();
      }
    },
  );
});
