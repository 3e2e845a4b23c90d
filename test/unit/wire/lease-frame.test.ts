import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WireError } from "../../../src/wire/cursor.ts";
import {
  decodeLeaseFrame,
  encodeLeaseFrame,
  isLeaseFrame,
  type LeaseFrame,
  leaseRefusals,
} from "../../../src/wire/lease-frame.ts";
import { isGreeting } from "../../../src/wire/raft-greeting.ts";

const u53 = fc.maxSafeNat();
const term_ms = fc.integer({ min: 1, max: 3_600_000 });
const frame: fc.Arbitrary<LeaseFrame> = fc.oneof(
  fc.record({ kind: fc.constant("renewal" as const), boot: u53, renewal: u53, ttl_ms: term_ms }),
  fc.record({
    kind: fc.constant("grant" as const),
    boot: u53,
    renewal: u53,
    assignedUpTo: u53,
    wait_ms: term_ms,
  }),
  fc.record({
    kind: fc.constant("refusal" as const),
    boot: u53,
    renewal: u53,
    why: fc.constantFrom(...leaseRefusals),
    ttl_ms: term_ms,
  }),
);

describe("frames of leases", () => {
  test("decode to what was encoded, and pass for nothing else", () => {
    fc.assert(
      fc.property(frame, (sent) => {
        const bytes = encodeLeaseFrame(sent);
        expect(isLeaseFrame(bytes)).toBe(true);
        expect(isGreeting(bytes)).toBe(false);
        expect(decodeLeaseFrame(bytes)).toEqual(sent);
      }),
    );
  });

  test("any bytes are a frame or a wire error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(0, 0xe3, 0xe4, 0xe5), (bytes, tag) => {
        if (tag > 0 && bytes.length > 1) bytes.set([tag, 1]);
        try {
          decodeLeaseFrame(bytes);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test("of a newer format, of no length, or longer than said are refused", () => {
    const bytes = encodeLeaseFrame({ kind: "renewal", boot: 1, renewal: 2, ttl_ms: 2_000 });
    expect(() => decodeLeaseFrame(Uint8Array.of(...bytes, 0))).toThrow(WireError);
    expect(() => decodeLeaseFrame(bytes.with(1, 2))).toThrow("format 2");
    const endless = encodeLeaseFrame({ kind: "renewal", boot: 1, renewal: 2, ttl_ms: 3_600_001 });
    expect(() => decodeLeaseFrame(endless)).toThrow("no sensible length");
    const refusal = encodeLeaseFrame({ kind: "refusal", boot: 1, renewal: 2, why: "term", ttl_ms: 2_000 });
    expect(() => decodeLeaseFrame(refusal.with(18, leaseRefusals.length))).toThrow("unknown reason");
  });
});
