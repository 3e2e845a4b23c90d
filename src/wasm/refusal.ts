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
  gc: "garbage-collected types; build for linear memory (no wasm-gc)",
  threads: "threads and atomics; build without shared memory (no -pthread, no +atomics)",
  memory64: "64-bit memory; build for wasm32",
  multi_memory: "several memories; build with one",
  page_size: "a custom page size; build with pages of 64 KiB",
  relaxed_simd: "relaxed SIMD, whose results differ between machines; build with plain simd128",
  exceptions: "exceptions; build without (no -fwasm-exceptions; Rust: panic=abort)",
  typed_references: "typed function references; build without (call_indirect works)",
  table_mutation: "changing a table at run time, which a snapshot would lose; build without reference-types",
  dropped_segments: "dropping a segment, which a snapshot would lose; build with active segments only",
  memory_import: "an imported memory; define it and export it as \"memory\"",
  unknown: "an instruction that is not known here; build for WebAssembly 2.0 without proposals",
} as const;

export type RefusedFeature = keyof typeof features;

/** Refuses a feature used at `offset`, by `instruction` in function `index` when it is code. */
export function refuseFeature(
  feature: RefusedFeature,
  at: { readonly offset: number; readonly index?: number | undefined; readonly instruction?: string | undefined },
): never {
  const where = at.index === undefined ? "" : `function ${at.index}, `;
  const by = at.instruction === undefined ? "" : `${at.instruction} `;
  return refuse(`${by}(${where}offset ${at.offset}) is ${features[feature]}`);
}
