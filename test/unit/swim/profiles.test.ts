import { describe, expect, test } from "vitest";
import { autoTiming, type Timing, timingOf } from "../../../src/swim/timing.ts";

const lan: Timing = {
  probe_ms: 300,
  timeout_ms: 150,
  suspicionMultiplier: 6,
  suspicionMaxMultiplier: 2,
  suspicionConfirmations: 2,
  gossip_ms: 100,
  gossipFanout: 3,
  retransmitMultiplier: 4,
  indirectProbes: 3,
  pushPull_ms: 15_000,
  deadProbe_ms: 1_000,
  reconnect_ms: 500,
  reconnectLimit_ms: 15_000,
  streamTimeout_ms: 3_000,
  load_ms: 3_000,
  reapFailed_ms: 24 * 3_600_000,
  reapLeft_ms: 600_000,
  grave_ms: 48 * 3_600_000,
};
const local: Timing = { ...lan, probe_ms: 200, timeout_ms: 100, deadProbe_ms: 500, reconnectLimit_ms: 5_000 };
const wan: Timing = {
  ...lan,
  probe_ms: 1_000,
  timeout_ms: 600,
  suspicionMultiplier: 5,
  suspicionMaxMultiplier: 4,
  gossip_ms: 300,
  pushPull_ms: 30_000,
  deadProbe_ms: 3_000,
  reconnect_ms: 1_000,
  reconnectLimit_ms: 30_000,
  streamTimeout_ms: 10_000,
  load_ms: 5_000,
};

describe("the timing table of each profile", () => {
  test("local", () => expect(timingOf("local")).toEqual(local));
  test("lan", () => expect(timingOf("lan")).toEqual(lan));
  test("wan", () => expect(timingOf("wan")).toEqual(wan));
  test("auto begins as lan", () => expect(timingOf("auto")).toEqual(lan));

  test("in each a direct probe leaves as much of the period again for helpers and the stream", () => {
    for (const { probe_ms, timeout_ms, gossip_ms } of [local, lan, wan]) {
      expect(timeout_ms).toBeLessThanOrEqual(probe_ms * 0.6);
      expect(gossip_ms).toBeLessThan(probe_ms);
    }
  });
});

describe("the automatic profile", () => {
  const near = Array.from({ length: 40 }, () => 0.3);
  const at = (current: Timing, members: number): number => autoTiming(current, near, members).probe_ms;

  test("slows with the size of the cluster: below 10, to 50, above", () => {
    const auto = timingOf("auto");
    expect([1, 7, 8, 9, 10, 30, 50, 51, 100, 1_000].map((members) => at(local, members))).toEqual([
      200, 200, 200, 200, 250, 250, 250, 300, 300, 300,
    ]);
    expect(autoTiming(auto, near, 100)).toEqual(lan);
    expect(autoTiming(auto, near, 3)).toEqual({ ...lan, probe_ms: 200, timeout_ms: 100 });
  });

  test("a member that comes and goes at a border does not change it each time", () => {
    let timing = timingOf("auto");
    const seen: number[] = [];
    for (let i = 0; i < 20; i++) {
      timing = autoTiming(timing, near, i % 2 === 0 ? 9 : 10);
      seen.push(timing.probe_ms);
    }
    expect(new Set(seen)).toEqual(new Set([250]));
    expect([at(timing, 8), at(timing, 7)]).toEqual([250, 200]);
    expect([at(lan, 45), at(lan, 41), at(lan, 40)]).toEqual([300, 300, 250]);
  });

  test("becomes wan where round trips are long, whatever the size, and lan again well below", () => {
    const of = (roundTrip_ms: number): number[] => Array.from({ length: 40 }, () => roundTrip_ms);
    for (const members of [3, 30, 300]) {
      expect(autoTiming(lan, of(60), members)).toEqual(wan);
      expect(autoTiming(wan, of(30), members)).toEqual(wan);
      expect(autoTiming(lan, of(30), members)).not.toEqual(wan);
      expect(autoTiming(wan, of(20), members)).not.toEqual(wan);
    }
  });

  test("stays as it is until there are enough round trips", () => {
    expect(autoTiming(lan, near.slice(0, 19), 3)).toBe(lan);
  });
});
