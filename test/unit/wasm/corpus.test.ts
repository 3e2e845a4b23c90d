/** Modules of real compilers give the same results, traps and memory when they are metered. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { Specimen, instrument, memoryDifference } from "../../support/wasm-compare.ts";

const inputs_max = 40;

function corpus(name: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(readFileSync(new URL(`corpus/${name}.wasm`, import.meta.url)));
}

const modules = ["algorithms", "vectors", "collections", "objects", "edges"];

describe.each(modules)("%s", (name) => {
  const bytes = corpus(name);
  const plainModule = new WebAssembly.Module(bytes);

  test.each([false, true])("metered, canonical NaNs %s, does what the plain one does", (canonicalNans) => {
    const plain = new Specimen(plainModule);
    const metered = new Specimen(instrument(bytes, { canonicalNans }));
    expect(metered.functions).toEqual(plain.functions);
    const prng = new Prng(7);
    let values = 0;
    for (let round = 0; round < inputs_max; round++) {
      for (const call of plain.functions) {
        const [seed, n] = [prng.u32() | 0, prng.below(1 << prng.between(1, 16))];
        const expected = plain.call(call, seed, n);
        const got = metered.call(call, seed, n);
        if (expected.kind === "value") expect(got).toEqual(expected);
        else expect(got).toMatchObject({ kind: "trap", trap: expected.trap });
        if (expected.kind === "value") values++;
      }
      expect(memoryDifference(plain.memory, metered.memory)).toBeUndefined();
    }
    expect(values).toBeGreaterThan(inputs_max);
  });

  test("any fuel that is too little stops it, and the least that is enough does not", () => {
    const module = new WebAssembly.Module(instrument(bytes));
    for (const call of new Specimen(module).functions.filter((each) => each !== "traps")) {
      const full = new Specimen(module);
      expect(full.call(call, 12_345, 77).kind).toBe("value");
      const used = full.limits.fuel - (full.fuel ?? 0);
      expect(used).toBeGreaterThan(0);
      const exact = new Specimen(module, {}, { fuel: used, call_depth: 5_000 });
      expect(exact.call(call, 12_345, 77).kind).toBe("value");
      for (const fuel of [0, Math.floor(used / 2), used - 1]) {
        const short = new Specimen(module, {}, { fuel, call_depth: 5_000 });
        expect(short.call(call, 12_345, 77)).toMatchObject({ kind: "trap", trap: "fuel" });
      }
    }
  });
});
