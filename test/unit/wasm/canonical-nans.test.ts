/** With canonical NaNs every operation that makes a NaN makes the same one, whatever the machine. */
import { describe, expect, test } from "vitest";
import { Specimen, instrument } from "../../support/wasm-compare.ts";
import { WasmBuilder, code, t } from "../../support/wasm-builder.ts";

const nan_f32 = 0x7fc0_0000n;
const nan_f64 = 0x7ff8_0000_0000_0000n;
/** Quiet NaNs with a sign and a payload. */
const odd_f32 = [...code.i32(0xffe1_2345), 0xbe];
const odd_f64 = [...code.i64(0xfff9_8765_4321_0000n), 0xbf];

/** What the code leaves as i64. */
function run(body: readonly number[]): unknown {
  const builder = new WasmBuilder();
  builder.memory(1);
  builder.function({ results: [t.i64], code: body, export: "run" });
  const outcome = new Specimen(instrument(builder.build(), { canonicalNans: true })).call("run");
  return outcome.kind === "value" ? BigInt.asUintN(64, outcome.value as bigint) : outcome;
}

const bits_f32 = [0xbc, 0xad];
const bits_f64 = [0xbd];
const ops = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

describe("one operation on a NaN with a payload", () => {
  test.each([...ops(0x8d, 0x91)])("f32, unary 0x%i", (opcode) => {
    expect(run([...odd_f32, opcode, ...bits_f32])).toBe(nan_f32);
  });
  test.each([...ops(0x92, 0x97)])("f32, binary 0x%i", (opcode) => {
    expect(run([...odd_f32, ...code.f32(1), opcode, ...bits_f32])).toBe(nan_f32);
    expect(run([...code.f32(1), ...odd_f32, opcode, ...bits_f32])).toBe(nan_f32);
  });
  test.each([...ops(0x9b, 0x9f)])("f64, unary 0x%i", (opcode) => {
    expect(run([...odd_f64, opcode, ...bits_f64])).toBe(nan_f64);
  });
  test.each([...ops(0xa0, 0xa5)])("f64, binary 0x%i", (opcode) => {
    expect(run([...odd_f64, ...code.f64(1), opcode, ...bits_f64])).toBe(nan_f64);
    expect(run([...code.f64(1), ...odd_f64, opcode, ...bits_f64])).toBe(nan_f64);
  });
  test("promotion and demotion", () => {
    expect(run([...odd_f32, 0xbb, ...bits_f64])).toBe(nan_f64);
    expect(run([...odd_f64, 0xb6, ...bits_f32])).toBe(nan_f32);
  });
});

test("a NaN that comes from numbers", () => {
  expect(run([...code.f64(0), ...code.f64(0), 0xa3, ...bits_f64])).toBe(nan_f64);
  expect(run([...code.f32(-1), 0x91, ...bits_f32])).toBe(nan_f32);
  expect(run([...code.f64(Infinity), ...code.f64(Infinity), 0xa1, 0x99, ...bits_f64])).toBe(nan_f64);
});

test("a chain of operations, of which only the last is checked", () => {
  const chain = [...code.f64(0), ...code.f64(0), 0xa3, 0x9f, 0x9b, ...bits_f64];
  expect(run(chain)).toBe(nan_f64);
  // A comparison takes any NaN, so nothing is inserted before it.
  expect(run([...code.f64(1), ...odd_f64, ...code.f64(1), 0xa0, 0x61, 0xad])).toBe(0n);
});

test("bits that are only moved stay as they are", () => {
  expect(run([...odd_f64, 0x9a, ...bits_f64])).toBe(0x7ff9_8765_4321_0000n);
  expect(run([...odd_f64, ...bits_f64])).toBe(0xfff9_8765_4321_0000n);
  expect(run([...odd_f32, 0x8b, ...bits_f32])).toBe(0x7fe1_2345n);
});

describe("vectors", () => {
  const lane = [0xfd, 0x1d, 1];
  const splat_f64 = [...odd_f64, 0xfd, 0x14];
  const splat_f32 = [...odd_f32, 0xfd, 0x13];
  const one_f64 = [...code.f64(1), 0xfd, 0x14];
  const one_f32 = [...code.f32(1), 0xfd, 0x13];
  const prefixed = (opcode: number): number[] =>
    opcode < 0x80 ? [0xfd, opcode] : [0xfd, (opcode & 0x7f) | 0x80, 1];

  test.each([0x74, 0x75, 0x7a, 0x94, 0xef])("f64x2, unary %i", (opcode) => {
    expect(run([...splat_f64, ...prefixed(opcode), ...lane])).toBe(nan_f64);
  });
  test.each([0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5])("f64x2, binary %i", (opcode) => {
    expect(run([...splat_f64, ...one_f64, ...prefixed(opcode), ...lane])).toBe(nan_f64);
  });
  test.each([0x67, 0x68, 0x69, 0x6a, 0xe3])("f32x4, unary %i", (opcode) => {
    expect(run([...splat_f32, ...prefixed(opcode), ...lane])).toBe((nan_f32 << 32n) | nan_f32);
  });
  test.each([0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9])("f32x4, binary %i", (opcode) => {
    expect(run([...splat_f32, ...one_f32, ...prefixed(opcode), ...lane])).toBe((nan_f32 << 32n) | nan_f32);
  });
  test("numbers beside a NaN keep their value", () => {
    const mixed = [...one_f64, ...odd_f64, 0xfd, 0x22, 0];
    const sum = [...mixed, ...one_f64, ...prefixed(0xf0)];
    expect(run([...sum, ...lane])).toBe(0x4000_0000_0000_0000n);
    expect(run([...sum, 0xfd, 0x1d, 0])).toBe(nan_f64);
  });
});
