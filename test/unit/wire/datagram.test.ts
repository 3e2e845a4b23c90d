import fc from "fast-check";
import { expect, test } from "vitest";
import { namePattern, parseNodeId } from "../../../src/base/ids.ts";
import type { DatagramHeader } from "../../../src/wire/datagram.ts";
import {
  datagramHeader_bytes,
  datagramLimit_bytes,
  readDatagramHeader,
  writeDatagramHeader,
} from "../../../src/wire/datagram.ts";
import { commonVersion } from "../../../src/wire/protocol-version.ts";

const eight = fc.uint8Array({ minLength: 8, maxLength: 8 });
const headers: fc.Arbitrary<DatagramHeader> = fc.record({
  protocol: fc
    .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 255 }))
    .map(([a, b]) => ({ lowest: Math.min(a, b), highest: Math.max(a, b) })),
  keyId: eight,
  sender: fc.stringMatching(namePattern).map(parseNodeId),
  bootEpoch: fc.maxSafeNat(),
  counter: fc.maxSafeNat(),
  instance: eight,
});

test("a header is read as it was written", () => {
  fc.assert(
    fc.property(headers, fc.integer({ min: 16, max: 1_200 }), (header, sealed) => {
      const bytes = new Uint8Array(datagramHeader_bytes(header.sender) + sealed);
      const sealedAt = writeDatagramHeader(bytes, header);
      expect(readDatagramHeader(bytes)).toEqual({ header, sealedAt });
    }),
  );
});

test("any bytes are either a header within its bounds or nothing, and never an exception", () => {
  const nearly = fc
    .tuple(headers, fc.uint8Array({ maxLength: 60 }), fc.nat(99), fc.nat(255))
    .map(([header, tail, at, value]) => {
      const bytes = new Uint8Array(datagramHeader_bytes(header.sender) + tail.length);
      writeDatagramHeader(bytes, header);
      bytes.set(tail, bytes.length - tail.length);
      if (at < bytes.length) bytes[at] = value;
      return bytes.slice(0, bytes.length - (value % 40));
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 1_500 }), nearly), (bytes) => {
      const read = readDatagramHeader(bytes);
      if (read === undefined) return;
      expect(read.header.sender).toMatch(namePattern);
      expect(read.header.bootEpoch).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER);
      expect(read.sealedAt + 16).toBeLessThanOrEqual(bytes.length);
      expect(bytes.length).toBeLessThanOrEqual(datagramLimit_bytes);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  [{ lowest: 1, highest: 1 }, { lowest: 1, highest: 1 }, 1],
  [{ lowest: 1, highest: 3 }, { lowest: 2, highest: 5 }, 3],
  [{ lowest: 2, highest: 3 }, { lowest: 1, highest: 2 }, 2],
  [{ lowest: 1, highest: 1 }, { lowest: 2, highest: 5 }, undefined],
  [{ lowest: 3, highest: 4 }, { lowest: 1, highest: 2 }, undefined],
])("ranges %j and %j have %s in common", (ours, theirs, version) => {
  expect(commonVersion(ours, theirs)).toBe(version);
});
