import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WireError } from "../../../src/wire/cursor.ts";
import {
  decodeGreeting,
  encodeGreeting,
  isGreeting,
  type RaftGreeting,
} from "../../../src/wire/raft-greeting.ts";

const u53 = fc.maxSafeNat();
const greeting: fc.Arbitrary<RaftGreeting> = fc.oneof(
  fc.record({ kind: fc.constant("greeting" as const), identity: u53, boot: u53, previousBoot: u53 }),
  fc.record({ kind: fc.constant("outdated" as const), identity: u53, seenBoot: u53 }),
);

describe("greetings of raft threads", () => {
  test("decode to what was encoded", () => {
    fc.assert(
      fc.property(greeting, (sent) => {
        const bytes = encodeGreeting(sent);
        expect(isGreeting(bytes)).toBe(true);
        expect(decodeGreeting(bytes)).toEqual(sent);
      }),
    );
  });

  test("any bytes are a greeting or a wire error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.boolean(), (bytes, tagged) => {
        if (tagged && bytes.length > 0) bytes[0] = 0xe1;
        try {
          decodeGreeting(bytes);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
