import fc from "fast-check";
import { expect, test } from "vitest";
import { WireError } from "../../../src/wire/cursor.ts";
import { decodeStreamVerdict, encodeStreamVerdict } from "../../../src/wire/stream-verdict.ts";

test("a verdict is read as it was written, however it is cut, and leaves what follows", () => {
  const code = fc.constantFrom("accepted", "wrong_key", "wrong_cluster");
  fc.assert(
    fc.property(
      code,
      fc.string({ unit: "grapheme-ascii", maxLength: 128 }),
      fc.uint8Array(),
      (kind, reason, rest) => {
        const verdict = { code: kind, reason } as const;
        const bytes = encodeStreamVerdict(verdict);
        expect(decodeStreamVerdict(Buffer.concat([bytes, rest]))).toEqual({ verdict, length: bytes.length });
        for (let length = 0; length < bytes.length; length++) {
          expect(decodeStreamVerdict(bytes.slice(0, length))).toBeUndefined();
        }
      },
    ),
  );
});

test("any bytes are a verdict, the beginning of one, or a wire error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      try {
        const decoded = decodeStreamVerdict(bytes);
        expect(decoded === undefined || decoded.length <= bytes.length).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 1_000 },
  );
});
