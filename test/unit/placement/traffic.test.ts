import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AgentName } from "../../../src/base/ids.ts";
import { pairsLimit, Traffic } from "../../../src/placement/traffic.ts";

const agent = (name: string) => name as AgentName;

describe("measured traffic", () => {
  test("follows what is so now: the rate of a steady pair is met, one that ended is forgotten", () => {
    const traffic = new Traffic();
    for (let second = 0; second < 100; second++) {
      for (let i = 0; i < 6; i++) traffic.note(agent("a"), agent("b"));
      if (second % 10 === 9) traffic.fade();
    }
    const [pair] = traffic.rates(10);
    expect(pair).toMatchObject({ from: "a", to: "b" });
    expect(pair?.rate).toBeGreaterThan(3.5);
    expect(pair?.rate).toBeLessThan(8.5);
    for (let i = 0; i < 10; i++) traffic.fade();
    expect(traffic.rates(10)).toEqual([]);
  });

  test("stays bounded, and keeps the busiest pair whatever strangers come", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.nat(50_000), { maxLength: 3_000 }),
        (each, strangers) => {
          const traffic = new Traffic();
          for (let i = 0; i < 500; i++) traffic.note(agent("busy"), agent("bee"));
          for (const stranger of strangers) {
            for (let i = 0; i < each; i++) traffic.note(agent(`s-${stranger}`), agent("bee"));
          }
          const rates = traffic.rates(1);
          expect(rates.length).toBeLessThanOrEqual(pairsLimit);
          expect(rates.some(({ from }) => from === "busy")).toBe(true);
        },
      ),
      { numRuns: 20 },
    );
  });
});
