import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { namePattern, type NodeId } from "../../../src/base/ids.ts";
import { openControlState } from "../../../src/control/control-state.ts";
import { memoryDatabases } from "../../../src/platform/memory/database.ts";
import { encodeControlQuery } from "../../../src/wire/control-command.ts";
import { controlCommands, controlQueries } from "../../../src/wire/control-kinds.ts";
import {
  decodeRegistrations,
  encodeJudgements,
  encodeRegistrationPut,
  encodeRegistrationRemoval,
  encodeRegistrations,
  type Judgement,
  type Registration,
  type RegistrationDetails,
  readJudgements,
  readRegistrationPut,
  registeredRoles,
  registeredStates,
  registrationsLimit,
} from "../../../src/wire/control-registration.ts";
import { Reader, WireError } from "../../../src/wire/cursor.ts";
import { TestLeader } from "../../support/control-log.ts";

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

function detailsOf(id: string): RegistrationDetails {
  return {
    id: id as NodeId,
    hostname: "server",
    host: "10.0.0.7",
    port: 8151,
    maxAgents: 20,
    role: "worker",
    region: "default",
    zone: "default",
    services: ["wrapper"],
  };
}

function world() {
  const databases = memoryDatabases();
  opened.push(() => databases.dispose());
  const state = openControlState(databases, "control.db");
  const leader = new TestLeader(state);
  return {
    state,
    leader,
    list: (): readonly Registration[] =>
      decodeRegistrations(state.query(encodeControlQuery(controlQueries.registrations, new Uint8Array()))),
    put: (id: string) =>
      leader.run({
        kind: controlCommands.registrationPut,
        body: encodeRegistrationPut(detailsOf(id)),
      }),
    remove: (id: string, version: number | null) =>
      leader.run({
        kind: controlCommands.registrationRemove,
        body: encodeRegistrationRemoval({ id: id as NodeId, version }),
      }),
    judge: (judgements: readonly Judgement[], term = leader.term) =>
      leader.run({
        kind: controlCommands.registrationJudge,
        body: encodeJudgements({ term, judgements }),
      }),
  };
}

describe("registrations in the control state", () => {
  it("are kept as they were put, one a name", () => {
    const { put, list } = world();
    const { status, value } = put("edge-1");
    expect(status).toBe("done");
    expect(list()).toEqual([
      { ...detailsOf("edge-1"), state: "online", at_ms: 1_800_000_000_000, version: value },
    ]);
    expect(put("edge-1")).toMatchObject({ status: "conflict", value });
  });

  it("are judged only as what was looked at, and only by who leads", () => {
    const { put, list, judge, remove, leader } = world();
    const { value: version } = put("edge-1");
    const id = "edge-1" as NodeId;
    expect(judge([{ id, version, state: "unhealthy" }])).toMatchObject({ status: "done", value: 1 });
    // Judged again by what was there before, or of a node that is not there: passed over.
    expect(judge([{ id, version, state: "offline" }])).toMatchObject({ status: "done", value: 0 });
    expect(judge([{ id: "edge-9" as NodeId, version, state: "offline" }])).toMatchObject({ value: 0 });
    expect(list()[0]?.state).toBe("unhealthy");
    const now = list()[0]?.version ?? 0;
    leader.elect();
    expect(judge([{ id, version: now, state: "online" }], leader.term - 1).status).toBe("stale");
    expect(list()[0]?.state).toBe("unhealthy");
    expect(remove("edge-1", version).status).toBe("conflict");
    expect(remove("edge-1", now).status).toBe("done");
    expect(remove("edge-1", null).status).toBe("not_found");
  });

  it("are refused beyond the limit, and there is room again after a removal", () => {
    const { put, remove, list } = world();
    for (let i = 0; i < registrationsLimit; i++) expect(put(`edge-${i}`).status).toBe("done");
    expect(put("one-more")).toMatchObject({ status: "limit", value: registrationsLimit });
    expect(remove("edge-5", null).status).toBe("done");
    expect(put("one-more").status).toBe("done");
    expect(list()).toHaveLength(registrationsLimit);
  });
});

describe("registrations as bytes", () => {
  const name = fc.stringMatching(namePattern).map((text) => text as NodeId);
  const text = fc.string({ unit: "grapheme-ascii", maxLength: 64 });
  const details = fc.record({
    id: name,
    hostname: text,
    host: text,
    port: fc.integer({ min: 0, max: 65_535 }),
    maxAgents: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    role: fc.constantFrom(...registeredRoles),
    region: text,
    zone: text,
    services: fc.array(name, { maxLength: 64 }),
  });
  const version = fc.nat(Number.MAX_SAFE_INTEGER);
  const state = fc.constantFrom(...registeredStates);

  it("come back as they went", () => {
    fc.assert(
      fc.property(details, (given) => {
        const reader = new Reader(encodeRegistrationPut(given));
        expect(readRegistrationPut(reader)).toEqual(given);
        reader.finish();
      }),
    );
    const known = fc.tuple(details, fc.record({ at_ms: version, state, version }));
    fc.assert(
      fc.property(fc.array(known, { maxLength: 20 }), (all) => {
        const given = all.map(([one, more]) => ({ ...one, ...more }));
        expect(decodeRegistrations(encodeRegistrations(given))).toEqual(given);
      }),
    );
    const judgements = fc.array(fc.record({ id: name, version, state }), { maxLength: 50 });
    fc.assert(
      fc.property(version, judgements, (term, given) => {
        const reader = new Reader(encodeJudgements({ term, judgements: given }));
        expect(readJudgements(reader)).toEqual({ term, judgements: given });
      }),
    );
  });

  it("of any other kind are refused, and never crash", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const read of [
          () => decodeRegistrations(bytes),
          () => readRegistrationPut(new Reader(bytes)),
          () => readJudgements(new Reader(bytes)),
        ]) {
          try {
            read();
          } catch (error) {
            expect(error).toBeInstanceOf(WireError);
          }
        }
      }),
    );
  });
});
