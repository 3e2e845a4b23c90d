import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AgentName, ModuleHash, NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { WireError } from "../../../src/wire/cursor.ts";
import { chunkChanges, type DirectoryChange } from "../../../src/wire/gossip-directory.ts";
import {
  decodeHello,
  decodeHelloAnswer,
  encodeHello,
  encodeHelloAnswer,
} from "../../../src/wire/gossip-hello.ts";
import {
  decodeRecords,
  encodeRecord,
  encodeRecords,
  frameLimit_bytes,
  gossipVersion,
} from "../../../src/wire/gossip-records.ts";
import { encodeTags, tagsLimit_bytes } from "../../../src/wire/gossip-tags.ts";
import { isIpAddress } from "../../../src/wire/gossip-values.ts";
import { gossipRecord, nodeId, tags } from "./gossip-arbitraries.ts";
import { testLimit_ms } from "../../support/patience.ts";
import { thorough } from "../../support/thorough.ts";

/** True when the bytes are refused in the one way that a decoder may refuse; throws on any other. */
function refused(decode: () => unknown): boolean {
  try {
    decode();
    return false;
  } catch (error) {
    if (error instanceof WireError) return true;
    throw error;
  }
}

describe("gossip records", () => {
  test("decode what was encoded", () => {
    fc.assert(
      fc.property(fc.array(gossipRecord, { maxLength: 10 }), (records) => {
        expect(decodeRecords(encodeRecords(records))).toEqual(records);
      }),
    );
  });

  test("are refused when cut short anywhere", () => {
    fc.assert(
      fc.property(gossipRecord, (record) => {
        const bytes = encodeRecords([record]);
        for (let end = 2; end < bytes.length; end++) {
          if (!refused(() => decodeRecords(bytes.subarray(0, end)))) throw new Error(`accepted ${end} bytes`);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("of an unknown type are skipped when optional and refused otherwise", () => {
    const probe = encodeRecord({ kind: "introduce" });
    const withExtra = (type: number): Uint8Array => Uint8Array.of(gossipVersion, type, 2, 7, 7, ...probe);
    expect(decodeRecords(withExtra(200))).toEqual([{ kind: "introduce" }]);
    expect(refused(() => decodeRecords(withExtra(100)))).toBe(true);
  });

  test("of another version are refused", () => {
    expect(refused(() => decodeRecords(Uint8Array.of(gossipVersion + 1)))).toBe(true);
  });

  test("a chunk of the longest names and as many modules fits a frame", () => {
    const changes: DirectoryChange[] = Array.from({ length: chunkChanges }, (_, i) => ({
      agent: `${i}`.padStart(64, "a") as AgentName,
      sequence: 2 ** 40 + i + 1,
      claim: {
        epoch: Number.MAX_SAFE_INTEGER,
        revision: 0xffff_ffff,
        status: "running",
        module: i.toString(16).padStart(64, "0") as ModuleHash,
      },
    }));
    const owner = "o".repeat(64) as NodeId;
    const chunk = { owner, boot: 2 ** 48, from: 2 ** 40, to: 2 ** 40 + chunkChanges, full: true, changes };
    const bytes = encodeRecords([{ kind: "chunk", chunk }]);
    expect(bytes.length).toBeLessThanOrEqual(frameLimit_bytes);
    expect(decodeRecords(bytes)).toEqual([{ kind: "chunk", chunk }]);
  });

  test.each([
    ["NaN", Number.NaN],
    ["infinite", Number.POSITIVE_INFINITY],
    ["negative", -1],
    ["above 100", 100.5],
  ])("a load with a percentage that is %s is refused", (_what, cpu_percent) => {
    const load = { agents: 1, cpu_percent, memory_bytes: 1, memory_percent: 1 };
    const bytes = encodeRecords([{ kind: "load", node: "n1" as NodeId, boot: 1, sequence: 1, load }]);
    expect(refused(() => decodeRecords(bytes))).toBe(true);
  });
});

describe("fuzzed packets", () => {
  const asked = process.env["CAXTON_FUZZ_PACKETS"];
  const runs = Number(asked ?? (thorough ? 100_000 : 20_000));
  const limit_ms = asked === undefined ? testLimit_ms : 3_600_000;

  test(
    `${runs} random, cut or damaged packets are read or refused, never worse`,
    { timeout: limit_ms },
    () => {
      const prng = new Prng(20_260_101);
      const good = fc.sample(fc.array(gossipRecord, { minLength: 1, maxLength: 5 }), {
        numRuns: 200,
        seed: 7,
      });
      const packets = good.map((records) => encodeRecords(records));
      let accepted = 0;
      for (let run = 0; run < runs; run++) {
        const bytes = (prng.pick(packets) ?? new Uint8Array()).slice(
          0,
          prng.chance(0.3) ? prng.below(200) : undefined,
        );
        if (prng.chance(0.1)) for (let i = 1; i < bytes.length; i++) bytes[i] = prng.below(256);
        for (let flips = prng.below(4); flips > 0 && bytes.length > 0; flips--) {
          const at = prng.below(bytes.length);
          bytes[at] = (bytes[at] ?? 0) ^ (1 << prng.below(8));
        }
        if (!refused(() => decodeRecords(bytes))) accepted++;
      }
      expect(accepted).toBeGreaterThan(0);
      expect(accepted).toBeLessThan(runs);
    },
  );
});

describe("hello and answer", () => {
  const uuid = fc.uuid();
  test("decode what was encoded", () => {
    const version = fc.integer({ min: 0, max: 65_535 });
    const hello = fc.record({
      cluster: fc.string({ maxLength: 40 }),
      uuid: fc.option(uuid),
      node: nodeId,
      boot: fc.integer({ min: 0, max: 2 ** 48 }),
      protocol: fc.record({ lowest: version, highest: version }),
      records: fc.uint8Array({ maxLength: 200 }),
    });
    fc.assert(
      fc.property(hello, (value) => {
        expect(decodeHello(encodeHello(value))).toEqual(value);
      }),
    );
    const welcome = fc.record({
      kind: fc.constant("welcome" as const),
      uuid,
      records: fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 8 }),
    });
    fc.assert(
      fc.property(welcome, (value) => {
        expect(decodeHelloAnswer(encodeHelloAnswer(value))).toEqual(value);
      }),
    );
    const refusal = { kind: "refusal", code: "name_taken", detail: 'it is "taken"' } as const;
    expect(decodeHelloAnswer(encodeHelloAnswer(refusal))).toEqual(refusal);
  });

  test("survive any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        refused(() => decodeHello(bytes));
        refused(() => decodeHelloAnswer(bytes));
      }),
      { numRuns: 2_000 },
    );
  });

  test("a refusal's text cannot carry control characters to a terminal", () => {
    const answer = decodeHelloAnswer(
      encodeHelloAnswer({ kind: "refusal", code: "version", detail: "a\u001b[31mb" }),
    );
    expect(answer.kind === "refusal" && answer.detail).toBe("a?[31mb");
  });
});

describe("tags", () => {
  test("of at most 512 bytes are spread, larger ones refused at their source", () => {
    fc.assert(
      fc.property(tags, (value) => {
        expect(encodeTags(value).length).toBeLessThanOrEqual(tagsLimit_bytes);
      }),
    );
    const large = {
      version: "1",
      region: "r".repeat(255),
      zone: "z".repeat(255),
      api: "",
      maxAgents: 1,
      weight: 1,
    };
    expect(() => encodeTags({ ...large, services: ["one", "two"] })).toThrow(/at most 512/);
    expect(() => encodeTags({ ...large, zone: "z", weight: Number.NaN, services: [] })).toThrow(
      /out of range/,
    );
  });

  test.each([
    ["10.0.0.1", true],
    ["255.255.255.255", true],
    ["::1", true],
    ["fe80::1", true],
    ["256.1.1.1", false],
    ["1.2.3", false],
    ["1.2.3.4.", false],
    ["localhost", false],
    ["", false],
  ])("%s is an IP address: %s", (text, expected) => {
    expect(isIpAddress(text)).toBe(expected);
  });
});
