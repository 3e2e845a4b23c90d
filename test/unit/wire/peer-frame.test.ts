import fc from "fast-check";
import { expect, test } from "vitest";
import { errorCodes } from "../../../src/base/errors.ts";
import { namePattern, parseNodeId } from "../../../src/base/ids.ts";
import { WireError, Writer } from "../../../src/wire/cursor.ts";
import { FrameSplitter } from "../../../src/wire/frame-splitter.ts";
import {
  bodyLimit_bytes,
  payloadOf,
  type PeerFrame,
  readPeerFrame,
  streamPurposes,
  writeFrameHead,
} from "../../../src/wire/peer-frame.ts";

const u32 = fc.nat(0xffff_ffff);
const u8 = fc.nat(255);
const payload = fc.uint8Array({ maxLength: 300 });
const text = fc.string({ unit: "grapheme-ascii", maxLength: 60 });
const greeting = {
  node: fc.stringMatching(namePattern).map(parseNodeId),
  bootEpoch: fc.maxSafeNat(),
  protocol: fc.tuple(u8, u8).map(([a, b]) => ({ lowest: Math.min(a, b), highest: Math.max(a, b) })),
};
const fault = { code: fc.constantFrom(...errorCodes), detail: text };
const total_bytes = fc.integer({ min: 300, max: bodyLimit_bytes });
const kind = <K extends PeerFrame["kind"]>(name: K) => fc.constant(name);

const frames: fc.Arbitrary<PeerFrame> = fc.oneof(
  fc.record({ kind: kind("hello"), purpose: fc.constantFrom(...streamPurposes), ...greeting }),
  fc.record({ kind: kind("welcome"), ...greeting }),
  fc.record({ kind: kind("goodbye"), ...fault }),
  fc.record({ kind: fc.constantFrom("ping" as const, "pong" as const) }),
  fc.record({ kind: kind("data"), payload }),
  fc.record({ kind: kind("request"), id: u32, timeout_ms: u32, total_bytes, method: text, payload }),
  fc.record({ kind: fc.constantFrom("request_chunk" as const, "response_chunk" as const), id: u32, payload }),
  fc.record({ kind: kind("cancel"), id: u32 }),
  fc.record({ kind: kind("response"), id: u32, total_bytes, payload }),
  fc.record({ kind: kind("failure"), id: u32, ...fault }),
);

function encode(list: readonly PeerFrame[]): Uint8Array {
  const writer = new Writer();
  for (const frame of list) {
    writeFrameHead(writer, frame);
    writer.raw(payloadOf(frame));
  }
  return writer.finish();
}

test("frames are read as they were written, however the stream is cut into chunks", () => {
  fc.assert(
    fc.property(
      fc.array(frames, { maxLength: 12 }),
      fc.array(fc.nat(200), { maxLength: 30 }),
      (list, cuts) => {
        const bytes = encode(list);
        const splitter = new FrameSplitter(10_000);
        const read: PeerFrame[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          const chunk = bytes.slice(at, at + cut);
          at += chunk.length;
          splitter.push(chunk, (tag, body) => {
            read.push(structuredClone(readPeerFrame(tag, body)));
            return true;
          });
        }
        expect(read).toEqual(list);
        expect(splitter.held_bytes).toBe(0);
      },
    ),
  );
});

test("any bytes are frames or a wire error, and never more is held than came", () => {
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.tuple(frames, fc.nat(), u8).map(([frame, at, value]) => {
      const bytes = encode([frame]);
      bytes[at % bytes.length] = value;
      return bytes;
    }),
  );
  fc.assert(
    fc.property(fc.array(hostile, { maxLength: 8 }), (chunks) => {
      const splitter = new FrameSplitter(1_000);
      let total = 0;
      try {
        for (const chunk of chunks) {
          total += chunk.length;
          splitter.push(
            chunk,
            (tag, body) => payloadOf(readPeerFrame(tag, body)).length <= chunk.length + total,
          );
          expect(splitter.held_bytes).toBeLessThanOrEqual(1_004 + chunk.length);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }),
    { numRuns: 1_500 },
  );
});

test("a frame above the limit is refused by its length alone", () => {
  const splitter = new FrameSplitter(100);
  expect(() => splitter.push(Uint8Array.of(101, 0, 0, 0), () => true)).toThrow(
    "frame of 101 bytes, at most 100",
  );
  expect(() => new FrameSplitter(100).push(Uint8Array.of(0, 0, 0, 0), () => true)).toThrow(WireError);
});

test("nothing is delivered after the receiver says stop", () => {
  const bytes = encode([{ kind: "ping" }, { kind: "pong" }, { kind: "ping" }]);
  const tags: number[] = [];
  new FrameSplitter(100).push(bytes, (tag) => {
    tags.push(tag);
    return tags.length < 2;
  });
  expect(tags).toEqual([4, 5]);
});

test("a fault of a newer version keeps its text; a long one is cut", () => {
  const writer = new Writer().u32(7).text("code_of_tomorrow").text("why");
  expect(readPeerFrame(12, writer.finish())).toEqual({
    kind: "failure",
    id: 7,
    code: "internal",
    detail: "why",
  });
  const long = encode([{ kind: "goodbye", code: "internal", detail: "\u20ac".repeat(5_000) }]);
  const read = readPeerFrame(3, long.subarray(5));
  expect(read).toMatchObject({ kind: "goodbye", detail: "\u20ac".repeat(682) });
});
