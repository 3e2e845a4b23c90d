import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LruMap } from "../../../src/base/lru-map.ts";

type Step = readonly ["get" | "set" | "delete", number];

/** The same with a list, the entry used last at its end. */
class Model {
  entries: (readonly [number, number])[] = [];

  run([kind, key]: Step, value: number, limit: number): number | undefined {
    const found = this.entries.find(([known]) => known === key);
    if (kind === "get" && found === undefined) return undefined;
    this.entries = this.entries.filter(([known]) => known !== key);
    if (kind === "get" && found !== undefined) this.entries.push(found);
    if (kind === "set") this.entries = [...this.entries, [key, value] as const].slice(-limit);
    return kind === "get" ? found?.[1] : undefined;
  }
}

describe("LruMap", () => {
  it("keeps the entries that were used last", () => {
    const step = fc.tuple(fc.constantFrom("get", "set", "delete"), fc.nat(6)) as fc.Arbitrary<Step>;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), (limit, steps) => {
        const map = new LruMap<number, number>(limit);
        const model = new Model();
        for (const [at, [kind, key]] of steps.entries()) {
          const expected = model.run([kind, key], at, limit);
          if (kind === "get") expect(map.get(key)).toBe(expected);
          else if (kind === "set") map.set(key, at);
          else map.delete(key);
          expect(map.size).toBe(model.entries.length);
        }
        for (const [key, value] of model.entries) expect(map.get(key)).toBe(value);
      }),
    );
  });
});
