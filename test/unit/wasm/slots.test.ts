/** The slots through which a snapshot reads and writes an instance's globals, bit for bit. */
import { expect, test } from "vitest";
import { controlExports, controlSection } from "../../../src/wasm/abi.ts";
import { instrument } from "../../support/wasm-compare.ts";
import { WasmBuilder, code, t } from "../../support/wasm-builder.ts";

interface Control {
  readonly [controlExports.slotGet]: (slot: number) => bigint;
  readonly [controlExports.slotSet]: (slot: number, bits: bigint) => void;
}

function moduleWithGlobals(): WebAssembly.Module {
  const builder = new WasmBuilder();
  builder.memory(2, 10);
  builder.global(t.i32, true, code.i32(-5));
  builder.global(t.i64, false, code.i64(1n));
  builder.global(t.i64, true, code.i64(-6n));
  builder.global(t.f32, true, code.f32(1.5));
  builder.global(t.f64, true, code.f64(-2.5));
  builder.global(t.v128, true, [0xfd, 0x0c, ...Array.from({ length: 16 }, (_, i) => i)]);
  builder.function({ results: [t.i32], code: [0x3f, 0], export: "pages" });
  builder.function({ params: [t.i32], results: [t.i32], code: [...code.get(0), 0x40, 0], export: "grow" });
  return new WebAssembly.Module(instrument(builder.build()));
}

test("slots hold the page count and every mutable global, and are counted in the module", () => {
  const module = moduleWithGlobals();
  const section = WebAssembly.Module.customSections(module, controlSection.name)[0];
  expect([...new Uint8Array(section ?? new ArrayBuffer(0))]).toEqual([controlSection.version, 7]);
  const exports = new WebAssembly.Instance(module).exports as unknown as Control;
  const read = (): bigint[] => Array.from({ length: 7 }, (_, slot) => exports[controlExports.slotGet](slot));
  const first = read();
  expect(first.slice(0, 3)).toEqual([2n, 0xffff_fffbn, -6n]);
  expect(new Float32Array(Uint32Array.of(Number(first[3])).buffer)[0]).toBe(1.5);
  expect(new Float64Array(BigInt64Array.of(first[4] ?? 0n).buffer)[0]).toBe(-2.5);
  expect(first.slice(5)).toEqual([0x0706_0504_0302_0100n, 0x0f0e_0d0c_0b0a_0908n]);
  // NaNs with a payload and extreme values survive.
  const written = [3n, 0x8000_0000n, 2n ** 63n - 1n, 0xffa1_2345n, -0x000e_dcba_9876_5433n, 7n, -8n];
  for (const [slot, bits] of written.entries()) exports[controlExports.slotSet](slot, bits);
  expect(read()).toEqual(written);
  expect(() => exports[controlExports.slotGet](7)).toThrow(WebAssembly.RuntimeError);
  expect(() => exports[controlExports.slotSet](-1, 0n)).toThrow(WebAssembly.RuntimeError);
});

test("the guest sees the size that it asked for while the memory grows ahead of it", () => {
  const instance = new WebAssembly.Instance(moduleWithGlobals());
  const exports = instance.exports as unknown as Control & {
    pages(): number;
    grow(pages: number): number;
    memory: WebAssembly.Memory;
    "caxton:enter"(fuel: number, depth: number, granted: number): void;
  };
  exports["caxton:enter"](1_000_000, 100, 65_536);
  expect([exports.grow(0), exports.pages()]).toEqual([2, 2]);
  expect([exports.grow(1), exports.pages(), exports.grow(1), exports.pages()]).toEqual([2, 3, 3, 4]);
  expect(exports.grow(7)).toBe(-1);
  expect(exports.grow(-1)).toBe(-1);
  expect([exports.grow(6), exports.pages(), exports.grow(1), exports.pages()]).toEqual([4, 10, -1, 10]);
});
