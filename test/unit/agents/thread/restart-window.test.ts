/** How many restarts a trapped agent has in a minute. */
import { describe, expect, test } from "vitest";
import { RestartWindow } from "../../../../src/agents/thread/restart-window.ts";

const twice = { policy: "restart", maxRestarts: 2 } as const;

describe("restarts of an agent", () => {
  test("as many as it was deployed with in any minute, to the millisecond", () => {
    const window = new RestartWindow();
    const allowed = [0, 30_000, 59_999, 60_000, 60_001, 89_999, 90_000, 90_001].filter((now_ms) =>
      window.allow(twice, now_ms),
    );
    expect(allowed).toEqual([0, 30_000, 60_000, 90_000]);
  });

  test("none by the policy to fail, and as many again once they are counted anew", () => {
    const window = new RestartWindow();
    expect(window.allow({ policy: "fail", maxRestarts: 2 }, 0)).toBe(false);
    expect([1, 2, 3].map((now_ms) => window.allow(twice, now_ms))).toEqual([true, true, false]);
    window.clear();
    expect(window.allow(twice, 4)).toBe(true);
  });
});
