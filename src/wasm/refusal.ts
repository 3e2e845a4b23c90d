/**
 * How a module is refused: one error code, and a text that names what is wrong, where, and what to
 * do. The features that no agent may use stand here as a table.
 */
import { CaxtonError } from "../base/errors.ts";

/** Throws `invalid_module`; `what` is a clause that follows "Module refused: ". */
export function refuse(what: string): never {
  throw new CaxtonError("invalid_module", `Module refused: ${what}`);
}

/** For bytes that are no well-formed module: says where. */
export function malformed(what: string, offset: number): never {
  return refuse(`malformed at offset ${offset}: ${what}`);
}

const features = {
  gc: ["garbage-collected types", "build for linear memory (no wasm-gc)"],
  threads: ["threads or atomics", "build without shared memory (no -pthread, no +atomics)"],
  memory64: ["64-bit memory", "build for wasm32"],
  multi_memory: ["several memories", "build with one"],
  page_size: ["a custom page size", "build with pages of 64KiB"],
  relaxed_simd: ["relaxed SIMD, whose results differ between machines", "build with plain simd128"],
  exceptions: ["exceptions", "build without (no -fwasm-exceptions; Rust: panic=abort)"],
  typed_references: ["typed function references", "build without (call_indirect works)"],
  table_mutation: ["a table that changes at run time, which snapshots would lose", "build with fixed tables"],
  dropped_segments: ["dropped segments, which snapshots would lose", "build with active segments only"],
  memory_import: ["an imported memory", 'define it and export it as "memory"'],
  unknown: ["an unknown instruction", "build for WebAssembly 2.0 without later proposals"],
} as const satisfies Record<string, readonly [what: string, todo: string]>;

export type RefusedFeature = keyof typeof features;

/** Refuses a feature used at `offset`, by `instruction` in function `index` when it is code. */
export function refuseFeature(
  feature: RefusedFeature,
  at: {
    readonly offset: number;
    readonly index?: number | undefined;
    readonly instruction?: string | undefined;
  },
): never {
  const where = at.index === undefined ? "it" : `function ${at.index}`;
  const by = at.instruction === undefined ? "" : `${at.instruction}, `;
  const [what, todo] = features[feature];
  return refuse(`${where} uses ${what} (${by}offset ${at.offset}); ${todo}`);
}
