import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDatabases } from "../../../src/platform/node/database.ts";
import { damageOfWriteAheadLog } from "../../../src/store/write-ahead-log.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const header_bytes = 32;
const frame_bytes = 24 + 4_096;
const sector_bytes = 512;
const directory = temporaryDirectory("wal");
/** As a process leaves it that is killed: of some transactions, and of some after an older log was used up. */
let fresh: Uint8Array;
let recycled: Uint8Array;
/** What lay where `recycled` lies. */
let old: Uint8Array;
/** Where the last transaction begins. */
let last: number;

beforeAll(() => {
  const path = join(directory.path, "a.db");
  const database = openDatabases().open(path);
  const write = (from: number, to: number): void => {
    for (let i = from; i < to; i++)
      database.transaction(() => database.prepare("INSERT INTO t VALUES (?, zeroblob(6000))").run(i));
  };
  const log = (): Uint8Array => Uint8Array.from(readFileSync(`${path}-wal`));
  database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT");
  write(0, 11);
  const before = log();
  write(11, 12);
  fresh = log();
  last = before.length;
  write(12, 60);
  old = log();
  write(60, 61);
  database.prepare("PRAGMA wal_checkpoint(RESTART)").get();
  write(61, 65);
  database.transaction(() => {
    const insert = database.prepare("INSERT INTO t VALUES (?, zeroblob(6000))");
    for (let i = 65; i < 115; i++) insert.run(i);
  });
  recycled = log();
  database.close();
});

afterAll(() => directory.remove());

/** Of those that were written since the log was last begun. */
function lastTransactionOf(log: Uint8Array): { readonly begin: number; readonly end: number } {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  let [begin, end] = [header_bytes, header_bytes];
  for (let at = header_bytes; at + frame_bytes <= log.length; at += frame_bytes) {
    if (view.getUint32(at + 8) !== view.getUint32(16)) break;
    const commits = view.getUint32(at + 4) !== 0;
    if (at > header_bytes && view.getUint32(at - frame_bytes + 4) !== 0) begin = at;
    if (commits) end = at + frame_bytes;
  }
  return { begin, end };
}

/** Those sectors of the last transaction of `recycled` were not written: what was there, or nothing, is there still. */
function tear(log: Uint8Array, first: number, end: number, what: "old" | "zero"): void {
  const transaction = lastTransactionOf(recycled);
  const from = Math.max(transaction.begin, first * sector_bytes);
  const to = Math.min(transaction.end, end * sector_bytes);
  if (from >= to) return;
  if (what === "zero") log.fill(0, from, to);
  else log.set(old.subarray(from, to), from);
}

function flipped(log: Uint8Array, at: number, bit: number): Uint8Array {
  const copy = Uint8Array.from(log);
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}

describe("a log that a crash left", () => {
  test("is sound, also where it begins anew over an older one, and however much of it there is", () => {
    expect(fresh.length).toBeGreaterThan(20 * frame_bytes);
    expect(recycled.length).toBeGreaterThan(40 * frame_bytes);
    for (const log of [fresh, recycled]) {
      expect(damageOfWriteAheadLog(log)).toBeNull();
      for (let cut = 0; cut < log.length; cut += 4_999)
        expect(damageOfWriteAheadLog(log.subarray(0, cut))).toBeNull();
    }
  });

  test("may have any part of its last transaction torn, missing, or of long ago", () => {
    const { begin, end } = lastTransactionOf(recycled);
    expect(end - begin).toBeGreaterThan(2 * frame_bytes - 1);
    const [from, to] = [Math.floor(begin / sector_bytes), Math.floor((end - 1) / sector_bytes)];
    const torn = fc.record({
      sector: fc.integer({ min: from, max: to }),
      sectors: fc.integer({ min: 1, max: 40 }),
      what: fc.constantFrom("old", "zero"),
    });
    let changed = 0;
    fc.assert(
      fc.property(fc.array(torn, { minLength: 1, maxLength: 4 }), (tears) => {
        const log = Uint8Array.from(recycled);
        for (const { sector, sectors, what } of tears) tear(log, sector, sector + sectors, what);
        changed += Buffer.compare(log, recycled) === 0 ? 0 : 1;
        expect(damageOfWriteAheadLog(log)).toBeNull();
      }),
      { numRuns: 80 },
    );
    expect(changed).toBeGreaterThan(60);
  });

  test("may be torn in the middle of a header that lies in two sectors", () => {
    const { begin, end } = lastTransactionOf(recycled);
    let halves = 0;
    for (let at = begin; at < end; at += frame_bytes) {
      const sector = Math.floor(at / sector_bytes);
      if ((at % sector_bytes) + 24 <= sector_bytes) continue;
      halves++;
      for (const [from, to] of [
        [sector, sector + 1],
        [sector + 1, sector + 2],
        [0, sector + 1],
        [sector + 1, Infinity],
      ] as const) {
        const log = Uint8Array.from(recycled);
        tear(log, from, to, "old");
        // There a transaction may have ended long ago.
        if (from <= sector) new DataView(log.buffer).setUint32(at + 4, 7);
        expect([at, from, damageOfWriteAheadLog(log)]).toEqual([at, from, null]);
      }
    }
    expect(halves).toBeGreaterThan(1);
  });
});

describe("a flipped bit", () => {
  test("before the last transaction is found, wherever it is in frames or header", () => {
    const used = header_bytes - 8;
    fc.assert(
      fc.property(fc.nat(last - 1), fc.nat(7), (at, bit) => {
        const found = damageOfWriteAheadLog(flipped(fresh, at, bit));
        expect(found).toMatch(at < used + 8 ? /header|frame/ : /^frame \d+ .* transactions follow/);
      }),
      { numRuns: 60 },
    );
    for (let at = 0; at < header_bytes + 24; at++)
      expect([at, damageOfWriteAheadLog(flipped(fresh, at, at % 8)) === null]).toEqual([at, false]);
  });

  test("in the frame right before the last transaction is found in each field of its header", () => {
    const commit = last - frame_bytes;
    for (let at = commit; at < commit + 24; at++)
      expect([at - commit, damageOfWriteAheadLog(flipped(fresh, at, 1)) === null]).toEqual([
        at - commit,
        false,
      ]);
  });
});
