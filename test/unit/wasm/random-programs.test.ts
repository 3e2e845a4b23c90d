/** Random structured programs: metering changes no result, and too little fuel always stops them. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Specimen, instrument, memoryDifference } from "../../support/wasm-compare.ts";
import type { Outcome } from "../../support/wasm-compare.ts";
import { randomProgram } from "../../support/wasm-programs.ts";

const seeds = fc.integer({ min: 0, max: 0xffff_ffff });
const inputs: readonly (readonly [number, number])[] = [
  [0, 0],
  [1, -1],
  [123_456_789, 77],
];

/** Bits of a NaN are the engine's choice, and a program may look at them. */
function comparable(outcome: Outcome): unknown {
  return outcome.kind === "value" ? outcome.value : outcome.trap;
}

describe("a random program", () => {
  test("gives the same results, traps and memory when it is metered", () => {
    let traps = 0;
    let values = 0;
    fc.assert(
      fc.property(seeds, (seed) => {
        const bytes = randomProgram(seed);
        const plain = new Specimen(bytes);
        const metered = new Specimen(instrument(bytes));
        for (const name of plain.functions) {
          for (const [a, b] of inputs) {
            const expected = comparable(plain.call(name, a, b));
            expect(comparable(metered.call(name, a, b))).toEqual(expected);
            expect(memoryDifference(plain.memory, metered.memory)).toBeUndefined();
            if (typeof expected === "bigint") values++;
            else traps++;
          }
        }
      }),
      { numRuns: 60, seed: 20_261 },
    );
    expect(values).toBeGreaterThan(traps);
    expect(traps).toBeGreaterThan(10);
  });

  test("stops with any fuel below what it uses, and not with that", () => {
    fc.assert(
      fc.property(seeds, fc.double({ min: 0, max: 1, noNaN: true }), (seed, part) => {
        const module = new WebAssembly.Module(instrument(randomProgram(seed)));
        const full = new Specimen(module);
        if (full.call("f3", 5, 6).kind === "trap") return;
        const used = full.limits.fuel - (full.fuel ?? 0);
        const exact = new Specimen(module, {}, { fuel: used, call_depth: 5_000 });
        expect(exact.call("f3", 5, 6).kind).toBe("value");
        const fuel = Math.min(used - 1, Math.floor(used * part));
        const short = new Specimen(module, {}, { fuel, call_depth: 5_000 });
        expect(short.call("f3", 5, 6)).toMatchObject({ kind: "trap", trap: "fuel" });
      }),
      { numRuns: 50, seed: 20_262 },
    );
  });
});
