import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Rumors } from "../../../src/swim/dissemination.ts";

const bytes = (length: number, mark = 0): Uint8Array => new Uint8Array(length).fill(mark);

describe("news waiting to be sent", () => {
  test("never exceeds the byte budget, and each piece is sent exactly as often as allowed", () => {
    const pieces = fc.array(fc.integer({ min: 16, max: 300 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(
        pieces,
        fc.integer({ min: 300, max: 1_300 }),
        fc.integer({ min: 1, max: 8 }),
        (sizes, budget, limit) => {
          const rumors = new Rumors();
          for (const [i, size] of sizes.entries()) rumors.add(`${i}`, "membership", bytes(size, i));
          const sent = new Map<number, number>();
          while (rumors.size > 0) {
            const taken = rumors.take(budget, limit);
            expect(taken.reduce((sum, one) => sum + one.length, 0)).toBeLessThanOrEqual(budget);
            expect(taken.length).toBeGreaterThan(0);
            for (const [mark] of taken) sent.set(mark ?? -1, (sent.get(mark ?? -1) ?? 0) + 1);
          }
          expect([...sent.values()]).toEqual(sizes.map(() => limit));
        },
      ),
      { numRuns: 100 },
    );
  });

  test("newer news of a subject replaces the older and starts anew", () => {
    const rumors = new Rumors();
    rumors.add("x", "membership", bytes(20, 1));
    rumors.take(100, 2);
    rumors.add("x", "membership", bytes(20, 2));
    expect(rumors.size).toBe(1);
    expect(rumors.take(100, 2)).toEqual([bytes(20, 2)]);
    expect(rumors.has("x")).toBe(true);
  });

  test("membership goes before the directory, and that before load", () => {
    const rumors = new Rumors();
    rumors.add("load", "load", bytes(40, 3));
    rumors.add("change", "directory", bytes(40, 2));
    rumors.add("member", "membership", bytes(40, 1));
    expect(rumors.take(80, 4).map((one) => one[0])).toEqual([1, 2]);
  });

  test("a flood of one priority starves none below it: each has room in every packet", () => {
    const rumors = new Rumors();
    for (let i = 0; i < 500; i++) rumors.add(`member ${i}`, "membership", bytes(90, 1));
    for (let i = 0; i < 500; i++) rumors.add(`change ${i}`, "directory", bytes(120, 2));
    for (let i = 0; i < 50; i++) rumors.add(`load ${i}`, "load", bytes(60, 3));
    for (let packet = 0; packet < 20; packet++) {
      const taken = rumors.take(1_200, 100);
      const of = (mark: number): number => taken.filter((one) => one[0] === mark).length;
      expect([of(1), of(2), of(3)]).toEqual([9, 2, 2]);
    }
  });

  test("the largest word about a member fits whatever else waits", () => {
    const rumors = new Rumors();
    for (let i = 0; i < 100; i++) rumors.add(`change ${i}`, "directory", bytes(120, 2));
    for (let i = 0; i < 100; i++) rumors.add(`load ${i}`, "load", bytes(60, 3));
    rumors.add("member", "membership", bytes(680, 1));
    expect(rumors.take(1_000, 4)[0]?.[0]).toBe(1);
  });

  test("what was sent least goes first", () => {
    const rumors = new Rumors();
    rumors.add("old", "membership", bytes(40, 1));
    rumors.take(40, 4);
    rumors.add("new", "membership", bytes(40, 2));
    expect(rumors.take(40, 4)).toEqual([bytes(40, 2)]);
    rumors.take(40, 4);
    expect(rumors.take(40, 4)).toHaveLength(1);
  });

  test("is bounded: news of the lowest priority is dropped first", () => {
    const rumors = new Rumors();
    for (let i = 0; i < 4_095; i++) rumors.add(`member ${i}`, "membership", bytes(16));
    rumors.add("load", "load", bytes(16));
    rumors.add("member last", "membership", bytes(16));
    expect(rumors.size).toBe(4_096);
    expect(rumors.has("load")).toBe(false);
    expect(rumors.has("member last")).toBe(true);
  });
});
