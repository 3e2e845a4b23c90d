import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rawDeflate } from "../../../src/platform/node/deflate.ts";
import { Writer } from "../../../src/wire/cursor.ts";
import { decodeRecords, frameLimit_bytes, gossipVersion } from "../../../src/wire/gossip-records.ts";
import { packedType, packFrame, unpackFrame } from "../../../src/wire/packed-frame.ts";

function packed(body: Uint8Array): Uint8Array {
  return new Writer().u8(gossipVersion).u8(packedType).blob(body).finish();
}

describe("packed frames", () => {
  test("come out as they went in, and are never longer", () => {
    const repeating = fc
      .tuple(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.integer({ min: 1, max: 200 }))
      .map(([part, times]) => new Uint8Array(Array.from({ length: times }, () => [...part]).flat()));
    const frame = fc.oneof(repeating, fc.uint8Array({ minLength: 900, maxLength: 3_000 }));
    fc.assert(
      fc.property(frame, (bytes) => {
        const plain = new Uint8Array([gossipVersion, 1, ...bytes]).slice(0, frameLimit_bytes);
        const sent = packFrame(plain, rawDeflate);
        expect(sent.length).toBeLessThanOrEqual(plain.length);
        expect(new Uint8Array(unpackFrame(sent, rawDeflate) ?? [])).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });

  test("a table becomes much smaller; a short frame is left as it is", () => {
    const table = new Uint8Array([gossipVersion, ...Array.from({ length: 9_000 }, (_, i) => i % 90)]);
    expect(packFrame(table, rawDeflate).length).toBeLessThan(table.length / 4);
    const short = table.slice(0, 1_000);
    expect(packFrame(short, rawDeflate)).toBe(short);
  });

  test("an older node skips one whole", () => {
    const table = new Uint8Array([gossipVersion, ...new Uint8Array(5_000)]);
    expect(decodeRecords(packFrame(table, rawDeflate))).toEqual([]);
  });

  test("a few bytes do not become many", () => {
    const bomb = deflateRawSync(new Uint8Array(40 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(frameLimit_bytes);
    expect(unpackFrame(packed(bomb), rawDeflate)).toBeUndefined();
    const most = packed(deflateRawSync(new Uint8Array(frameLimit_bytes)));
    expect(unpackFrame(most, rawDeflate)?.length).toBe(frameLimit_bytes);
    expect(
      unpackFrame(packed(deflateRawSync(new Uint8Array(frameLimit_bytes + 1))), rawDeflate),
    ).toBeUndefined();
  });

  test("what is no packed frame, though it says so, is refused", () => {
    const good = packed(deflateRawSync(new Uint8Array(4_000)));
    expect(unpackFrame(good.subarray(0, good.length - 2), rawDeflate)).toBeUndefined();
    expect(unpackFrame(new Uint8Array([...good, 0]), rawDeflate)).toBeUndefined();
    expect(unpackFrame(packed(new Uint8Array([7, 7, 7])), rawDeflate)).toBeUndefined();
    expect(unpackFrame(new Uint8Array([gossipVersion, packedType]), rawDeflate)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        const read = unpackFrame(packed(bytes), rawDeflate);
        expect((read?.length ?? 0) <= frameLimit_bytes).toBe(true);
      }),
    );
  });
});
