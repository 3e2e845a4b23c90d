import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CaxtonError } from "../../../src/base/errors.ts";
import { bytesOfHex, hexOfBytes } from "../../../src/base/hex.ts";
import type { AgentName, MessageId, NodeId } from "../../../src/base/ids.ts";
import { decodeAgentJournal, encodeAgentJournal } from "../../../src/wire/agent-journal.ts";
import {
  assignmentCauses,
  decodeAssignmentFound,
  decodeAssignmentsPage,
  encodeAssignmentFound,
  encodeAssignmentMoves,
  encodeAssignmentPut,
  encodeAssignmentRemove,
  encodeAssignmentsPage,
  encodeAssignmentSuspend,
  readAssignmentMoves,
  readAssignmentPut,
  readAssignmentRemove,
  readAssignmentSuspend,
} from "../../../src/wire/control-assignments.ts";
import {
  decodeControlCommand,
  decodeControlQuery,
  decodeOutcome,
  decodeStampedCommand,
  encodeControlCommand,
  encodeControlQuery,
  encodeOutcome,
  outcomeStatuses,
  stampCommand,
} from "../../../src/wire/control-command.ts";
import {
  decodeControlHash,
  decodeRowDigests,
  decodeSectionCheck,
  encodeControlHash,
  encodeRowDigests,
  encodeSectionCheck,
  encodeSectionWalk,
  readSectionWalk,
} from "../../../src/wire/control-hash.ts";
import { controlCommands, controlQueries } from "../../../src/wire/control-kinds.ts";
import {
  checkKvKey,
  decodeKvPage,
  decodeKvValue,
  encodeKvDelete,
  encodeKvList,
  encodeKvPage,
  encodeKvPut,
  encodeKvPutDone,
  encodeKvValue,
  readKvDelete,
  readKvList,
  readKvPut,
  readKvPutDone,
} from "../../../src/wire/control-kv.ts";
import {
  decodeLockView,
  encodeLockAcquire,
  encodeLockGet,
  encodeLockRelease,
  encodeLockView,
  readLockAcquire,
  readLockGet,
  readLockRelease,
} from "../../../src/wire/control-lock.ts";
import { decodeNodeRecords, encodeNodeRecords } from "../../../src/wire/control-node.ts";
import { decodeSettings, encodeSettings } from "../../../src/wire/control-setting.ts";
import {
  decodeSnapshotChunk,
  encodeSnapshotChunk,
  readSnapshotSections,
  writeSnapshotSections,
} from "../../../src/wire/control-snapshot.ts";
import { Reader, WireError, Writer } from "../../../src/wire/cursor.ts";

const u64 = fc.maxSafeNat();
const text = fc.string({
  unit: fc.constantFrom("a", "B", "9", "/", "é", "\u{1F600}", " "),
  minLength: 1,
  maxLength: 60,
});
const ascii = fc.string({ unit: fc.constantFrom("a", "Z", "0", "-", "/", "~"), minLength: 1, maxLength: 60 });
const bytes = fc.uint8Array({ maxLength: 200 });
const digest = fc.uint8Array({ minLength: 16, maxLength: 16 });
const condition = fc.oneof(fc.constantFrom("any" as const, "absent" as const, "present" as const), u64);
const fence = fc.option(fc.record({ lock: ascii, token: u64 }), { nil: null });
const entry = fc.record({ key: text, version: u64, modified_ms: u64, mediaType: text, size: fc.nat(1e6) });
const lockView = fc.record({
  name: ascii,
  token: u64,
  principal: text,
  holder: text,
  ttl_ms: u64,
  left_ms: u64,
  acquired_ms: u64,
});
const place = fc.constantFrom("", "eu", "zone a");
const nodeRecord = fc.record({
  id: fc.constantFrom("n1", "node-2").map((id) => id as NodeId),
  role: fc.constantFrom("voter" as const, "learner" as const, "witness" as const),
  bootEpoch: u64,
  region: place,
  zone: place,
  level: fc.nat(65_535),
  removed: fc.boolean(),
});
const hex = digest.map(hexOfBytes);

const agentName = fc.constantFrom("a", "agent-2").map((name) => name as AgentName);
const nodeId = fc.constantFrom("n1", "node-2").map((id) => id as NodeId);
const assignment = fc.record({
  agent: agentName,
  node: nodeId,
  epoch: u64,
  revision: u64,
  changed: u64,
  suspended: fc.boolean(),
  cause: fc.constantFrom(...assignmentCauses),
  previous: fc.option(nodeId, { nil: null }),
  previousEpoch: u64,
  continues: u64,
  transfer: u64,
  at_ms: u64,
  replicas: fc.array(nodeId, { maxLength: 2 }),
  spec: bytes,
});

function body<T>(encoded: Uint8Array, read: (reader: Reader) => T): T {
  const reader = new Reader(encoded);
  const value = read(reader);
  reader.finish();
  return value;
}

/** Each codec with values of it, and what reads bytes that may be anything. */
const codecs: Record<
  string,
  [fc.Arbitrary<unknown>, (value: never) => Uint8Array, (read: Uint8Array) => unknown]
> = {
  command: [
    fc.record({
      kind: fc.nat(65_535),
      version: fc.nat(255),
      principal: text,
      session: fc.option(fc.record({ session: u64, sequence: u64, floor: u64 }), { nil: null }),
      idempotencyKey: fc.option(ascii, { nil: null }),
      body: bytes,
    }),
    encodeControlCommand,
    decodeControlCommand,
  ],
  query: [
    fc.record({ kind: fc.nat(65_535), body: bytes }),
    ({ kind, body: content }: { kind: number; body: Uint8Array }) => encodeControlQuery(kind, content),
    decodeControlQuery,
  ],
  outcome: [
    fc.record({ status: fc.constantFrom(...outcomeStatuses), value: u64, body: bytes }),
    encodeOutcome,
    decodeOutcome,
  ],
  "assignment put": [
    fc.record({
      agent: agentName,
      node: nodeId,
      expected: fc.option(fc.record({ epoch: u64, revision: u64 }), { nil: null }),
      revision: u64,
      above: fc.nat(2 ** 31 - 1),
      cause: fc.constantFrom(...assignmentCauses),
      continues: u64,
      suspended: fc.boolean(),
      spec: bytes,
    }),
    encodeAssignmentPut,
    (read) => body(read, readAssignmentPut),
  ],
  "assignment moves": [
    fc.record({
      cause: fc.constantFrom(...assignmentCauses),
      term: u64,
      moves: fc.array(
        fc.record({ agent: agentName, from: nodeId, epoch: u64, to: nodeId, continues: u64, transfer: u64 }),
        { maxLength: 5 },
      ),
    }),
    encodeAssignmentMoves,
    (read) => body(read, readAssignmentMoves),
  ],
  "assignment remove": [
    fc.record({
      agent: agentName,
      expected: fc.option(fc.record({ epoch: u64, revision: u64 }), { nil: null }),
    }),
    encodeAssignmentRemove,
    (read) => body(read, readAssignmentRemove),
  ],
  "assignment suspend": [
    fc.record({ agent: agentName, epoch: u64, suspended: fc.boolean() }),
    encodeAssignmentSuspend,
    (read) => body(read, readAssignmentSuspend),
  ],
  "assignments page": [
    fc.record({
      total: u64,
      more: fc.boolean(),
      assignments: fc.array(assignment, { maxLength: 3 }),
      removed: fc.array(fc.record({ agent: agentName, changed: u64 }), { maxLength: 3 }),
    }),
    encodeAssignmentsPage,
    decodeAssignmentsPage,
  ],
  "assignment found": [fc.option(assignment, { nil: null }), encodeAssignmentFound, decodeAssignmentFound],
  "journal of an agent": [
    fc.record({
      inbox: fc.array(fc.uint8Array({ minLength: 24, maxLength: 60 }), { maxLength: 3 }),
      state: fc.array(fc.tuple(bytes, bytes), { maxLength: 3 }),
      timers: fc.array(fc.record({ id: fc.integer(), due_ms: fc.nat(1e9) }), { maxLength: 3 }),
      handled: fc.array(
        fc.uuid().map((id) => id as MessageId),
        { maxLength: 3 },
      ),
      saved: fc.option(fc.uint8Array({ minLength: 1, maxLength: 50 }), { nil: undefined }),
    }),
    encodeAgentJournal,
    decodeAgentJournal,
  ],
  put: [
    fc.record({ key: text, value: bytes, mediaType: text, condition, fence }),
    encodeKvPut,
    (read) => body(read, readKvPut),
  ],
  delete: [fc.record({ key: text, condition, fence }), encodeKvDelete, (read) => body(read, readKvDelete)],
  list: [
    fc.record({ prefix: text, after: text, limit: fc.integer({ min: 1, max: 1_000 }) }),
    encodeKvList,
    (read) => body(read, readKvList),
  ],
  value: [
    fc.option(
      fc.tuple(entry, bytes).map(([found, value]) => ({ ...found, value })),
      { nil: null },
    ),
    encodeKvValue,
    decodeKvValue,
  ],
  page: [
    fc.record({ entries: fc.array(entry, { maxLength: 5 }), more: fc.boolean() }),
    encodeKvPage,
    decodeKvPage,
  ],
  acquire: [
    fc.record({ name: ascii, holder: text, ttl_ms: fc.integer({ min: 1_000, max: 86_400_000 }), token: u64 }),
    encodeLockAcquire,
    (read) => body(read, readLockAcquire),
  ],
  release: [fc.record({ name: ascii, token: u64 }), encodeLockRelease, (read) => body(read, readLockRelease)],
  lock: [fc.option(lockView, { nil: null }), encodeLockView, decodeLockView],
  nodes: [fc.array(nodeRecord, { maxLength: 4 }), encodeNodeRecords, decodeNodeRecords],
  settings: [
    fc.array(fc.record({ name: ascii, value: text, version: u64 }), { maxLength: 4 }),
    encodeSettings,
    decodeSettings,
  ],
  hash: [
    fc.record({
      index: u64,
      root: hex,
      sections: fc.array(fc.record({ name: ascii, rows: u64, hash: hex }), { maxLength: 5 }),
    }),
    encodeControlHash,
    decodeControlHash,
  ],
  walk: [
    fc.record({
      section: ascii,
      after: fc.option(bytes, { nil: null }),
      limit: fc.integer({ min: 1, max: 5_000 }),
    }),
    encodeSectionWalk,
    (read) => body(read, readSectionWalk),
  ],
  rows: [
    fc.array(fc.record({ key: bytes, digest: hex }), { maxLength: 5 }),
    encodeRowDigests,
    decodeRowDigests,
  ],
  check: [
    fc.record({
      checked: fc.nat(),
      hash: hex,
      damaged: fc.array(bytes, { maxLength: 10 }),
      next: fc.option(bytes, { nil: null }),
    }),
    encodeSectionCheck,
    decodeSectionCheck,
  ],
  chunk: [
    fc.record({ number: fc.nat(), last: fc.boolean(), checksum: fc.nat(), body: bytes }),
    encodeSnapshotChunk,
    decodeSnapshotChunk,
  ],
  sections: [
    fc.array(fc.record({ name: ascii, rows: u64, bytes: u64, digest }), { maxLength: 4 }),
    (sections: never) => {
      const writer = new Writer();
      writeSnapshotSections(writer, sections);
      return writer.finish();
    },
    (read) => body(read, readSnapshotSections),
  ],
};

describe.each(Object.entries(codecs))("the codec of a control %s", (_, [values, encode, decode]) => {
  it("gives back what was encoded", () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(decode(encode(value as never))).toEqual(value);
      }),
    );
  });

  it("survives any bytes, and refuses what is cut off or too long", () => {
    const survives = (input: Uint8Array): boolean => {
      try {
        decode(input);
        return true;
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        return false;
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (input) => void survives(input)));
    fc.assert(
      fc.property(values, fc.nat(), (value, cut) => {
        const encoded = encode(value as never);
        const at = cut % Math.max(1, encoded.length);
        // A chunk's body and a list's end are wherever the bytes end, and are checked by what stands around them.
        const wrong = encoded.map((byte, i) => (i === at ? byte ^ 0xff : byte));
        survives(wrong);
        survives(encoded.subarray(0, at));
      }),
    );
  });
});

describe("control commands", () => {
  it("keep their numbers: none is given twice", () => {
    for (const numbers of [controlCommands, controlQueries]) {
      const all = Object.values(numbers);
      expect(new Set(all).size).toBe(all.length);
    }
    // In a log for ever: a new one is added here, none is changed.
    expect(controlCommands).toEqual({
      sessionOpen: 1,
      sessionClose: 2,
      mark: 3,
      batch: 4,
      nodePut: 10,
      nodeRemove: 11,
      settingPut: 20,
      settingDelete: 21,
      kvPut: 30,
      kvDelete: 31,
      lockAcquire: 40,
      lockRelease: 41,
      assignmentPut: 50,
      assignmentMove: 51,
      assignmentRemove: 52,
      assignmentSuspend: 53,
      registrationPut: 60,
      registrationRemove: 61,
      registrationJudge: 62,
    });
  });

  it("carry their leader's stamp before them", () => {
    const command = {
      kind: 30,
      version: 1,
      principal: "a",
      session: null,
      idempotencyKey: "k",
      body: new Uint8Array([1]),
    };
    const stamped = stampCommand(encodeControlCommand(command), 12, 34);
    expect(decodeStampedCommand(stamped)).toEqual({ elapsed_ms: 12, wall_ms: 34, command });
    expect(() => decodeStampedCommand(encodeControlCommand(command))).toThrow(WireError);
    expect(() => decodeControlCommand(stamped)).toThrow(WireError);
  });

  it("refuse what breaks a bound of theirs", () => {
    const put = { key: "k", value: new Uint8Array(), mediaType: "", condition: "any", fence: null } as const;
    const refused = (encoded: Uint8Array, read: (reader: Reader) => unknown): void => {
      expect(() => body(encoded, read)).toThrow(WireError);
    };
    refused(encodeKvPut({ ...put, key: "" }), readKvPut);
    refused(encodeKvPut({ ...put, key: "a\u0000" }), readKvPut);
    refused(encodeKvPut({ ...put, key: "x".repeat(513) }), readKvPut);
    refused(encodeKvPut({ ...put, value: new Uint8Array(1024 * 1024 + 1) }), readKvPut);
    refused(encodeKvPut({ ...put, mediaType: "a\nb" }), readKvPut);
    const lock = { name: "l", holder: "", ttl_ms: 30_000, token: 0 };
    refused(encodeLockAcquire({ ...lock, name: "a b" }), readLockAcquire);
    refused(encodeLockAcquire({ ...lock, ttl_ms: 999 }), readLockAcquire);
    refused(encodeLockAcquire({ ...lock, ttl_ms: 86_400_001 }), readLockAcquire);
    refused(encodeKvList({ prefix: "", after: "", limit: 0 }), readKvList);
    refused(encodeSectionWalk({ section: "kv", after: null, limit: 5_001 }), readSectionWalk);
    expect(body(encodeLockGet("l", 5), readLockGet)).toEqual({ name: "l", now_ms: 5 });
    expect(readKvPutDone(encodeKvPutDone(true, 7))).toEqual({ created: true, modified_ms: 7 });
    for (const key of ["", "\ud800", "a\u007f", "é".repeat(257)])
      expect(() => checkKvKey(key)).toThrow(CaxtonError);
    expect(checkKvKey("é".repeat(256))).toHaveLength(256);
  });

  it("show digests as hexadecimal digits and read them back", () => {
    fc.assert(
      fc.property(bytes, (some) => {
        expect(bytesOfHex(hexOfBytes(some))).toEqual(some);
      }),
    );
  });
});
