import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { type ControlState, openControlState } from "../../../src/control/control-state.ts";
import { memoryDatabases, type MemoryDatabases } from "../../../src/platform/memory/database.ts";
import type { CommittedEntry } from "../../../src/control/replicated-state.ts";
import { controlCommands, controlQueries } from "../../../src/wire/control-kinds.ts";
import { encodeControlQuery, stampCommand } from "../../../src/wire/control-command.ts";
import { decodeSectionCheck, encodeSectionWalk } from "../../../src/wire/control-hash.ts";
import { encodeKvDelete, encodeKvPut } from "../../../src/wire/control-kv.ts";
import { encodeLockAcquire, encodeLockRelease } from "../../../src/wire/control-lock.ts";
import { type CommandGiven, commandBytes } from "../../support/control-log.ts";

const opened: MemoryDatabases[] = [];
function fresh(): ControlState {
  const databases = memoryDatabases();
  opened.push(databases);
  return openControlState(databases, "control.db");
}
afterEach(() => {
  for (const databases of opened.splice(0)) databases.dispose();
});

const key = fc.constantFrom("a", "a/b", "a/c", "b", "é");
const value = fc.uint8Array({ maxLength: 40 });
const condition = fc.oneof(fc.constant("any" as const), fc.constant("absent" as const), fc.nat(30));
const fence = fc.option(fc.record({ lock: fc.constantFrom("l", "m"), token: fc.nat(30) }), { nil: null });
const name = fc.constantFrom("l", "m");
const body: fc.Arbitrary<CommandGiven> = fc.oneof(
  fc
    .record({ key, value, mediaType: fc.constantFrom("", "text/plain"), condition, fence })
    .map((put) => ({ kind: controlCommands.kvPut, body: encodeKvPut(put) })),
  fc
    .record({ key, condition, fence })
    .map((remove) => ({ kind: controlCommands.kvDelete, body: encodeKvDelete(remove) })),
  fc
    .record({
      name,
      holder: fc.constantFrom("", "h"),
      ttl_ms: fc.integer({ min: 1_000, max: 9_000 }),
      token: fc.nat(9),
    })
    .map((acquire) => ({ kind: controlCommands.lockAcquire, body: encodeLockAcquire(acquire) })),
  fc
    .record({ name, token: fc.nat(30) })
    .map((release) => ({ kind: controlCommands.lockRelease, body: encodeLockRelease(release) })),
  fc.constantFrom(
    { kind: controlCommands.sessionOpen, body: new Uint8Array() },
    { kind: controlCommands.mark, body: new Uint8Array() },
  ),
);
const command = fc
  .tuple(
    body,
    fc.constantFrom("alice", "bob"),
    fc.option(fc.record({ session: fc.nat(12), sequence: fc.nat(6), floor: fc.nat(6) }), { nil: null }),
    fc.option(fc.constantFrom("k1", "k2", "k3"), { nil: null }),
  )
  .map(([given, principal, session, idempotencyKey]) =>
    commandBytes({ ...given, principal, session, idempotencyKey }),
  );

/** A log as several leaders may have written it: terms that rise, time that passes in each. */
const log: fc.Arbitrary<CommittedEntry[]> = fc
  .array(fc.tuple(command, fc.integer({ min: 0, max: 400_000 }), fc.constantFrom(0, 0, 0, 0, 1)), {
    minLength: 1,
    maxLength: 60,
  })
  .map((steps) => {
    let term = 1;
    let elapsed_ms = 0;
    return steps.map(([bytes, passed_ms, elected], at) => {
      term += elected;
      elapsed_ms = elected === 1 ? 0 : elapsed_ms + passed_ms;
      if (elected === 1) return entry(at, term, "noop", new Uint8Array());
      if (at % 17 === 5) return entry(at, term, "configuration", new Uint8Array([at]));
      return entry(at, term, "command", stampCommand(bytes, elapsed_ms, 1_000 + elapsed_ms));
    });
  });

function entry(at: number, term: number, kind: CommittedEntry["kind"], data: Uint8Array): CommittedEntry {
  return { index: at + 1, term, kind, data };
}

function applyAll(
  state: ControlState,
  entries: readonly CommittedEntry[],
  batch: (at: number) => number,
): Uint8Array[] {
  const outcomes: Uint8Array[] = [];
  for (let at = 0; at < entries.length;) {
    const slice = entries.slice(at, at + batch(at));
    outcomes.push(...state.apply(slice));
    at += slice.length;
  }
  return outcomes;
}

function copy(from: ControlState, to: ControlState): void {
  const source = from.exportSnapshot();
  const target = to.importSnapshot();
  for (let number = 0; ; number++) {
    const { bytes, last } = source.chunk(number);
    expect(target.add(bytes)).toEqual({ complete: last });
    if (last) break;
  }
  source.close();
  expect(target.finish()).toEqual(source.position);
}

describe("one log", () => {
  it("gives the same outcomes and the same hash on every replica, however it was split", () => {
    fc.assert(
      fc.property(log, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (entries, sizes) => {
        const one = fresh();
        const other = fresh();
        const expected = applyAll(one, entries, () => 1);
        expect(applyAll(other, entries, (at) => sizes[at % sizes.length] ?? 1)).toEqual(expected);
        expect(other.hash).toEqual(one.hash);
      }),
      { numRuns: 30 },
    );
  });

  it("gives the same state through a crash, a failed commit or a snapshot in the middle", () => {
    fc.assert(
      fc.property(log, fc.nat(59), (entries, cut) => {
        const at = Math.min(cut, entries.length);
        const one = fresh();
        const expected = applyAll(one, entries, () => 7);

        const databases = memoryDatabases();
        opened.push(databases);
        const crashed = openControlState(databases, "control.db");
        applyAll(crashed, entries.slice(0, at), () => 5);
        const told = crashed.hash;
        if (at % 2 === 0) crashed.commit();
        databases.failCommits(new CaxtonError("storage_failed", "injected"));
        if (crashed.uncommitted) expect(() => crashed.commit()).toThrow("injected");
        expect(crashed.hash).toEqual(told);
        expect(applyAll(crashed, entries.slice(at), () => 2)).toEqual(expected.slice(at));
        databases.failCommits(undefined);
        const reopened = openControlState(databases, "control.db");
        const from = reopened.applied.index - (entries[0]?.index ?? 1) + 1;
        expect(from).toBe(at % 2 === 0 ? at : 0);
        expect(applyAll(reopened, entries.slice(from), () => 3)).toEqual(expected.slice(from));
        expect(reopened.hash).toEqual(one.hash);

        const before = fresh();
        applyAll(before, entries.slice(0, at), () => 4);
        const copied = fresh();
        applyAll(copied, entries.slice(0, Math.floor(at / 2)), () => 2);
        copy(before, copied);
        expect(copied.hash).toEqual(before.hash);
        expect(copied.configuration).toEqual(before.configuration);
        expect(applyAll(copied, entries.slice(at), () => 1)).toEqual(expected.slice(at));
        expect(copied.hash).toEqual(one.hash);
      }),
      { numRuns: 15 },
    );
  });

  it("leaves sums that are those of the rows, whatever was overwritten and deleted", () => {
    fc.assert(
      fc.property(log, (entries) => {
        const state = fresh();
        applyAll(state, entries, () => 3);
        for (const { name, rows, hash } of state.hash.sections.filter((section) => section.name !== "log")) {
          const walk = encodeSectionWalk({ section: name, after: null, limit: 5_000 });
          const found = decodeSectionCheck(
            state.query(encodeControlQuery(controlQueries.sectionCheck, walk)),
          );
          expect(found).toEqual({ checked: rows, hash, damaged: [], next: null });
        }
      }),
      { numRuns: 30 },
    );
  });

  it("gives another hash when one of its entries is another", () => {
    fc.assert(
      fc.property(log, fc.nat(), (entries, pick) => {
        const at = pick % entries.length;
        const changed = entries.with(at, {
          ...(entries[at] as CommittedEntry),
          kind: "configuration",
          data: new Uint8Array(9),
        });
        const one = fresh();
        const other = fresh();
        applyAll(one, entries, () => 10);
        applyAll(other, changed, () => 10);
        expect(other.hash.root).not.toBe(one.hash.root);
      }),
      { numRuns: 10 },
    );
  });
});
