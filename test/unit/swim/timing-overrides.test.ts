import { describe, expect, test } from "vitest";
import { autoTiming, timingOf } from "../../../src/swim/timing.ts";

describe("timings set by hand", () => {
  test("win over the profile, and leave the rest as the profile has it", () => {
    const timing = timingOf("lan", { probe_ms: 1_000, timeout_ms: 500 });
    expect(timing).toEqual({ ...timingOf("lan"), probe_ms: 1_000, timeout_ms: 500 });
  });

  test("stay when the automatic profile changes", () => {
    const slow = Array.from({ length: 40 }, () => 200);
    const overrides = { gossipFanout: 7 };
    const timing = autoTiming(timingOf("auto", overrides), slow, 3, overrides);
    expect(timing).toEqual({ ...timingOf("wan"), gossipFanout: 7 });
  });
});
