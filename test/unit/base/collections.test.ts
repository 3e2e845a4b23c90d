/** The ring queue, the ordered map and the latency histogram against simple models. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LatencyHistogram } from "../../../src/base/latency-histogram.ts";
import { OrderedMap } from "../../../src/base/ordered-map.ts";
import { RingQueue } from "../../../src/base/ring-queue.ts";

test("a ring queue gives back what was pushed, in order", () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(), { nil: undefined })), (steps) => {
      const queue = new RingQueue<number>();
      const model: number[] = [];
      for (const each of steps) {
        if (each === undefined) expect(queue.shift()).toBe(model.shift());
        else {
          queue.push(each);
          model.push(each);
        }
        expect(queue.length).toBe(model.length);
        expect(queue.peek()).toBe(model[0]);
      }
      expect([...queue]).toEqual(model);
    }),
  );
});

test("an ordered map is a map that can be walked in order", () => {
  const key = fc.string({ unit: fc.constantFrom("\u0000", "a", "b", "\u00ff"), maxLength: 3 });
  const step = fc.record({ kind: fc.constantFrom("set", "set", "delete", "next"), key });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const map = new OrderedMap<number>();
      const model = new Map<string, number>();
      for (const [n, { kind, key: at }] of steps.entries()) {
        if (kind === "set") {
          map.set(at, n);
          model.set(at, n);
        } else if (kind === "delete") expect(map.delete(at)).toBe(model.delete(at));
        else expect(map.next(at)).toBe([...model.keys()].toSorted().find((each) => each > at));
      }
      expect([...map.entries()]).toEqual([...model].toSorted(([a], [b]) => (a < b ? -1 : 1)));
      expect(map.next(undefined)).toBe([...model.keys()].toSorted()[0]);
    }),
  );
});

test("an ordered map keeps its order through many chunks", () => {
  const map = new OrderedMap<number>();
  for (let n = 0; n < 5_000; n++) map.set(`${(n * 7_919) % 5_000}`.padStart(5, "0"), n);
  for (let n = 0; n < 5_000; n += 3) map.delete(`${n}`.padStart(5, "0"));
  const keys = [...map.entries()].map(([key]) => key);
  expect(keys).toEqual(keys.toSorted());
  expect(keys).toHaveLength(3_333);
  let walked = 0;
  for (let key = map.next(undefined); key !== undefined; key = map.next(key)) walked++;
  expect(walked).toBe(3_333);
});

describe("a latency histogram", () => {
  test("reads percentiles at most a fifth too high, and merges", () => {
    const [one, two] = [new LatencyHistogram(), new LatencyHistogram()];
    for (let n = 1; n <= 1_000; n++) (n % 2 === 0 ? one : two).record(n / 100);
    one.merge(two.counts, two.sum_ms);
    expect(one.count).toBe(1_000);
    expect(one.sum_ms).toBeCloseTo(5_005, 5);
    for (const [quantile, value] of [
      [0.5, 5],
      [0.99, 9.9],
    ] as const) {
      expect(one.percentile_ms(quantile)).toBeGreaterThanOrEqual(value);
      expect(one.percentile_ms(quantile)).toBeLessThan(value * 1.2);
    }
  });

  test("holds anything, from nothing to hours", () => {
    const histogram = new LatencyHistogram();
    expect(histogram.percentile_ms(0.5)).toBe(0);
    for (const value of [0, -1, 1e9]) histogram.record(value);
    expect(histogram.count).toBe(3);
  });
});
