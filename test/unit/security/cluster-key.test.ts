import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { systemEntropy } from "../../../src/platform/node/entropy.ts";
import {
  formatClusterKey,
  loadClusterKey,
  parseClusterKey,
  readClusterKey,
} from "../../../src/security/cluster-key.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function keyPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "caxton-key-"));
  folders.push(folder);
  return join(folder, "cluster.key");
}

test("the first start makes a key that only its owner reads, later ones find the same", async () => {
  const path = await keyPath();
  expect(await readClusterKey(path)).toBeUndefined();
  const key = await loadClusterKey(path, systemEntropy);
  expect(key.length).toBe(32);
  expect(await loadClusterKey(path, systemEntropy)).toEqual(key);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(await readFile(path, "utf8")).toBe(`${formatClusterKey(key)}\n`);
  expect(await readdir(join(path, ".."))).toEqual(["cluster.key"]);
});

test("a key that other users may read is refused with what to do", async () => {
  const path = await keyPath();
  await loadClusterKey(path, systemEntropy);
  await chmod(path, 0o640);
  await expect(loadClusterKey(path, systemEntropy)).rejects.toMatchObject({
    code: "invalid_config",
    message: expect.stringContaining("mode 0640): chmod 600"),
  });
});

test("a malformed key file is refused, left as it is, and its text is not shown", async () => {
  const path = await keyPath();
  await writeFile(path, "not-a-key-but-maybe-half-of-one\n", { mode: 0o600 });
  const error = await loadClusterKey(path, systemEntropy).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "invalid_config", message: expect.stringContaining("cluster.key") });
  expect(String(error)).not.toContain("half-of-one");
  expect(await readFile(path, "utf8")).toBe("not-a-key-but-maybe-half-of-one\n");
});

test("a key reads back from its text, with the line's end or without; other texts are refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
      const text = formatClusterKey(key);
      expect(parseClusterKey(`${text}\n`, "CAXTON_CLUSTER_KEY")).toEqual(key);
      for (const wrong of [
        text.slice(1),
        `${text}A`,
        `${text.slice(0, 42)}B`,
        `${text}=`,
        "",
        text.replace(/./, "+"),
      ]) {
        expect(() => parseClusterKey(wrong, "CAXTON_CLUSTER_KEY")).toThrow(
          "CAXTON_CLUSTER_KEY is not a cluster key",
        );
      }
    }),
    { numRuns: 30 },
  );
});
