import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  formatGossipRing,
  GossipKeys,
  type GossipRing,
  isNewerRing,
  parseGossipRing,
} from "../../../src/security/gossip-keys.ts";
import { gossipKeyOf } from "../../../src/security/keyring.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const directory = temporaryDirectory("gossip-keys");
beforeEach(() => mkdir(directory.path, { recursive: true }));
afterEach(() => directory.remove());

const clusterKey = new Uint8Array(32).fill(1);
const keyOf = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const ring = (generation: number, ...fills: number[]): GossipRing => ({
  generation,
  since_ms: 5,
  keys: fills.map(keyOf),
});
const anyRing = fc.record({
  generation: fc.integer({ min: 1, max: 2 ** 40 }),
  since_ms: fc.integer({ min: 0, max: 2 ** 45 }),
  keys: fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 8 }),
});

function open(further: readonly Uint8Array[] = []): Promise<GossipKeys> {
  return GossipKeys.open(join(directory.path, "gossip.keys"), clusterKey, further);
}

test("before the first rotation the key follows from the cluster key", async () => {
  const keys = await open();
  expect(keys.accepted).toEqual([gossipKeyOf(clusterKey)]);
  expect(keys.ring.generation).toBe(0);
});

test("a ring is on disk, for its owner only, before it counts; an older one changes nothing", async () => {
  const keys = await open([keyOf(9), keyOf(2)]);
  expect(await keys.take(ring(2, 3, 2))).toBe(true);
  expect(await keys.take(ring(1, 7))).toBe(false);
  expect(await keys.take(ring(2, 3, 2))).toBe(false);
  expect((await open()).accepted).toEqual([keyOf(3), keyOf(2)]);
  // Keys of the configuration are accepted beside it, each once.
  expect(keys.accepted).toEqual([keyOf(3), keyOf(2), keyOf(9)]);
  expect((await stat(join(directory.path, "gossip.keys"))).mode & 0o777).toBe(0o600);
});

test("of rings that come at once the newest is kept, in memory and on disk", async () => {
  const keys = await open();
  const given = [3, 2, 4, 1].map((generation) => keys.take(ring(generation, generation)));
  expect(await Promise.all(given)).toEqual([true, false, true, false]);
  expect(keys.ring.generation).toBe(4);
  expect((await open()).ring.generation).toBe(4);
});

test("the time of the first rotation counts from the first start, not from each", async () => {
  const keys = await open();
  await keys.begin(5);
  await keys.begin(9);
  expect([keys.ring.since_ms, (await open()).ring.since_ms]).toEqual([5, 5]);
});

test("of two rings with one generation every node takes the same one", () => {
  fc.assert(
    fc.property(anyRing, anyRing, (a, b) => {
      const other = { ...b, generation: a.generation };
      const same = formatGossipRing({ ...a, since_ms: 0 }) === formatGossipRing({ ...other, since_ms: 0 });
      expect(isNewerRing(a, other) && isNewerRing(other, a)).toBe(false);
      expect(isNewerRing(a, other) || isNewerRing(other, a)).toBe(!same);
    }),
  );
});

test("a generation out of reach is not believed, so that nobody can end all rotations", () => {
  expect(isNewerRing(ring(Number.MAX_SAFE_INTEGER, 1), ring(3, 2))).toBe(false);
  expect(isNewerRing(ring(900_000, 1), ring(3, 2))).toBe(true);
});

test("text: what is written is read, and nothing else is a ring", () => {
  fc.assert(
    fc.property(anyRing, (one) => {
      expect(parseGossipRing(formatGossipRing(one))).toEqual({ ...one });
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => void parseGossipRing(text)));
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(parseGossipRing(text)).toBeUndefined();
    }),
  );
  const good = formatGossipRing(ring(1, 1));
  for (const bad of [
    good.replace("1,", "-1,"),
    good.replace("1,", "1.5,"),
    good.replace(/"keys":.*/, '"keys":[]}'),
    good.replace(/"keys":.*/, `"keys":["${"A".repeat(42)}"]}`),
    good.replace(/"keys":.*/, `"keys":${JSON.stringify(Array(9).fill("A".repeat(43)))}}`),
    good.replace('"generation":1', '"generation":0'),
    `${good}${" ".repeat(4_096)}`,
  ])
    expect(parseGossipRing(bad)).toBeUndefined();
});

test("a damaged file, or one that others may read, is refused with what to do", async () => {
  const path = join(directory.path, "gossip.keys");
  await (await open()).take(ring(1, 1));
  await writeFile(path, (await readFile(path, "utf8")).slice(0, 40));
  await expect(open()).rejects.toThrow("remove it, and this node takes them from the others");
  await chmod(path, 0o644);
  await expect(open()).rejects.toThrow("chmod 600");
});
