/** Frames that wait for their handler: how many, how large, and whose bytes. */
import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { EarlyFrames, earlyFramesLimit_bytes } from "../../../../src/cluster/peers/early-frames.ts";

const from = "node-2" as NodeId;
const third = Math.floor(earlyFramesLimit_bytes / 3);

test("beyond the bytes they are lost, and all that come after, so that none is missing in the middle", () => {
  const early = new EarlyFrames();
  const sizes = [third, third, third, third, 1];
  // One buffer: what is held is copied.
  const large = new Uint8Array(third);
  for (const size of sizes) early.add("message", { from, bytes: large.subarray(0, size) });
  expect(early.take("message").map(({ bytes }) => bytes.length)).toEqual([third, third, third]);
  expect(early.take("message")).toEqual([]);
});

test("they are copies: the reader uses its bytes again", () => {
  const early = new EarlyFrames();
  const bytes = Uint8Array.of(1, 2, 3);
  early.add("message", { from, bytes });
  bytes.fill(9);
  expect(early.take("message")).toEqual([{ from, bytes: Uint8Array.of(1, 2, 3) }]);
});
