import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry, LogPosition, LogView } from "../../../src/raft/entry.ts";
import { RaftLog } from "../../../src/raft/log.ts";

const limits = { cacheEntries: 4, cache_bytes: 400 };

function entry(index: number, term: number): Entry {
  return { index, term, kind: "command", data: new Uint8Array(10) };
}

/** A disk that carries out what the log hands to it, when it is told to. */
class Disk implements LogView {
  held: Entry[] = [];
  base: LogPosition = { index: 0, term: 0 };

  term(index: number): number {
    const found = this.held.find((one) => one.index === index);
    if (found === undefined) throw new Error(`no entry ${index}`);
    return found.term;
  }

  entries(from: number, to: number): readonly Entry[] {
    return this.held.filter(({ index }) => index >= from && index <= to);
  }

  write({ truncateFrom, entries }: { truncateFrom: number | null; entries: readonly Entry[] }): void {
    if (truncateFrom !== null) this.held = this.held.filter(({ index }) => index < truncateFrom);
    this.held.push(...entries);
  }
}

function logOf(terms: readonly number[]): RaftLog {
  const disk = new Disk();
  disk.held = terms.map((term, i) => entry(i + 1, term));
  const last = { index: terms.length, term: terms.at(-1) ?? 0 };
  return new RaftLog({ index: 0, term: 0 }, last, 0, disk, limits);
}

describe("the log", () => {
  test("knows what is newer: the last term first, then the length", () => {
    const log = logOf([1, 1, 3]);
    expect(log.isUpToDate({ index: 3, term: 3 })).toBe(true);
    expect(log.isUpToDate({ index: 9, term: 2 })).toBe(false);
    expect(log.isUpToDate({ index: 2, term: 3 })).toBe(false);
    expect(log.isUpToDate({ index: 1, term: 4 })).toBe(true);
  });

  test("finds the last entry of at most a term by halving, as by looking at each", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 40 }), fc.nat(45), fc.nat(6), (steps, index, term) => {
        const terms = [...steps].map((step) => step + 1).sort((a, b) => a - b);
        const found = logOf(terms).lastWithTermAtMost(index, term);
        let expected = Math.min(index, terms.length);
        while (expected > 0 && (terms[expected - 1] ?? 0) > term) expected--;
        expect(found.index).toBe(expected);
      }),
    );
  });

  test("what is committed is never taken back", () => {
    const log = logOf([1, 1, 1]);
    log.commitTo(2);
    expect(() => log.truncate(2)).toThrow(/never taken back/);
    log.truncate(3);
    expect(log.last).toEqual({ index: 2, term: 1 });
  });

  test("entries are stable only when their write is done, and not when they were taken back meanwhile", () => {
    const log = logOf([1]);
    log.append(entry(2, 1));
    log.append(entry(3, 1));
    log.takeUnwritten(1);
    expect(log.stable).toBe(1);
    log.truncate(3);
    log.append(entry(3, 2));
    const second = log.takeUnwritten(2);
    expect(second).toEqual({ truncateFrom: 3, entries: [entry(3, 2)] });
    log.persisted(1);
    expect(log.stable).toBe(2);
    log.persisted(2);
    expect(log.stable).toBe(3);
  });

  test("any appends, truncations, writes and reads agree with a plain list", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("append" as const), count: fc.integer({ min: 1, max: 6 }) }),
      fc.record({ kind: fc.constant("truncate" as const), back: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant("write" as const) }),
      fc.record({ kind: fc.constant("commit" as const) }),
      fc.record({ kind: fc.constant("compact" as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const disk = new Disk();
        const log = new RaftLog({ index: 0, term: 0 }, { index: 0, term: 0 }, 0, disk, limits);
        let model: Entry[] = [];
        let term = 1;
        let writes = 0;
        for (const { kind, ...how } of steps) {
          if (kind === "append") {
            for (let i = 0; i < ("count" in how ? how.count : 0); i++) {
              const next = entry(log.last.index + 1, term);
              log.append(next);
              model.push(next);
            }
          } else if (kind === "truncate") {
            const from = Math.max(log.commit + 1, log.last.index + 1 - ("back" in how ? how.back : 0));
            log.truncate(from);
            model = model.filter(({ index }) => index < from);
            term++;
          } else if (kind === "write") {
            const write = log.takeUnwritten(++writes);
            if (write !== null) disk.write(write);
            log.persisted(writes);
          } else if (kind === "commit") log.commitTo(log.last.index);
          else if (Math.min(log.commit, log.stable) > log.base.index) {
            log.compact(Math.min(log.commit, log.stable));
            disk.held = disk.held.filter(({ index }) => index > log.base.index);
            model = model.filter(({ index }) => index > log.base.index);
          }
          for (const { index, term: held } of model) expect(log.term(index)).toBe(held);
          const read: Entry[] = [];
          while (log.base.index + read.length < log.last.index)
            read.push(...log.entries(log.base.index + read.length + 1, log.last.index, 3, 100));
          expect(read).toEqual(model);
        }
      }),
    );
  });
});
