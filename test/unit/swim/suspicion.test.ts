import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { Awareness } from "../../../src/swim/awareness.ts";
import { Suspicion, suspicionBounds, suspicionTimeout } from "../../../src/swim/suspicion.ts";
import { autoTiming, pushPullScale, retransmitLimit, timingOf } from "../../../src/swim/timing.ts";

const [a, b, c] = ["a", "b", "c"] as unknown as [NodeId, NodeId, NodeId];

describe("suspicion", () => {
  // Lifeguard's formula, worked out by hand for least 2 s and most 12 s.
  test.each([
    [0, 3, 12_000],
    [1, 3, 7_000],
    [2, 3, 4_075],
    [3, 3, 2_000],
    [9, 3, 2_000],
    [0, 1, 12_000],
    [1, 1, 2_000],
    [0, 0, 2_000],
    [0, -1, 2_000],
  ])("with %i of %i further accusers lasts %i ms", (confirmations, expected, timeout_ms) => {
    expect(suspicionTimeout(2_000, 12_000, confirmations, expected)).toBeCloseTo(timeout_ms, -1);
  });

  test.each([
    [1, 1_800],
    [3, 1_800],
    [10, 1_800],
    [100, 3_600],
    [1_000, 5_400],
  ])("of a cluster of %i members lasts at least %i ms with the lan profile", (members, least_ms) => {
    const bounds = suspicionBounds(timingOf("lan"), members);
    expect(bounds.least_ms).toBeCloseTo(least_ms, 5);
    expect(bounds.most_ms).toBeCloseTo(2 * least_ms, 5);
  });

  test("counts an accuser once", () => {
    const suspicion = new Suspicion(1_000, a);
    expect(suspicion.confirm(a)).toBe(false);
    expect(suspicion.confirm(b)).toBe(true);
    expect(suspicion.confirm(b)).toBe(false);
    expect(suspicion.confirmations).toBe(1);
    expect(suspicion.deadline(2_000, 12_000, 1)).toBe(3_000);
    expect(suspicion.confirm(c)).toBe(true);
  });

  test("leaves its subject the time to answer the last call, also when it is confirmed after its end by that", () => {
    const suspicion = new Suspicion(1_000, a);
    suspicion.confirm(b);
    expect(suspicion.deadline(2_000, 12_000, 1, 600)).toBe(3_000);
    suspicion.lastCall(5_000);
    expect(suspicion.deadline(2_000, 12_000, 1, 600)).toBe(5_600);
    suspicion.forgive(100);
    expect(suspicion.deadline(2_000, 12_000, 1, 600)).toBe(5_700);
    suspicion.shorten(5_300);
    expect(suspicion.deadline(2_000, 12_000, 1, 600)).toBe(5_300);
  });
});

describe("local health", () => {
  test("stays between 0 and 7, and stretches probes by one more for each point", () => {
    const awareness = new Awareness();
    awareness.change(-1);
    expect([awareness.score, awareness.factor]).toEqual([0, 1]);
    awareness.change(20);
    expect([awareness.score, awareness.factor]).toEqual([7, 8]);
    awareness.change(-1);
    expect(awareness.score).toBe(6);
  });
});

describe("what scales with the cluster", () => {
  test.each([
    [1, 8],
    [9, 8],
    [30, 8],
    [31, 12],
    [100, 12],
    [315, 12],
    [316, 16],
  ])("among %i members a piece of news is sent %i times, and more often in a storm", (members, times) => {
    expect(retransmitLimit(4, members, false)).toBe(times);
    expect(retransmitLimit(4, members, true)).toBe(times + 4);
  });

  test.each([
    [3, 1],
    [32, 1],
    [33, 2],
    [64, 2],
    [65, 3],
    [1_000, 6],
  ])("among %i members push-pull is %i times slower", (members, scale) => {
    expect(pushPullScale(members)).toBe(scale);
  });

  test("auto follows the round trips, with a gap so that it does not flap", () => {
    const [lan, wan] = [timingOf("auto"), timingOf("wan")];
    expect(lan).toEqual(timingOf("lan"));
    expect(autoTiming(lan, Array(19).fill(200) as number[], 100)).toBe(lan);
    expect(autoTiming(lan, Array(30).fill(200) as number[], 100)).toEqual(wan);
    expect(autoTiming(wan, Array(30).fill(40) as number[], 100)).toEqual(wan);
    expect(autoTiming(wan, Array(30).fill(1) as number[], 100)).toEqual(lan);
  });
});
