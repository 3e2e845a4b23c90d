/**
 * Which float operations can make a NaN whose bits the engine chooses (WebAssembly 2.0, section
 * 4.3.3): arithmetic, rounding, min, max, sqrt, promotion and demotion. abs, neg and copysign only
 * move bits.
 */
import { patchKinds } from "./patches.ts";

/** The patch after a one-byte opcode, or null. */
export function nanPatchOf(opcode: number): number | null {
  if (opcode === 0xb6 || (opcode >= 0x8d && opcode <= 0x97)) return patchKinds.nan_f32;
  if (opcode === 0xbb || (opcode >= 0x9b && opcode <= 0xa5)) return patchKinds.nan_f64;
  return null;
}

/** ceil floor trunc nearest, sqrt add sub mul div min max pmin pmax, demote. */
const vectors_f32x4 = new Set([
  0x67, 0x68, 0x69, 0x6a, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0x5e,
]);
const vectors_f64x2 = new Set([
  0x74, 0x75, 0x7a, 0x94, 0xef, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0x5f,
]);

/** The patch after an opcode with the prefix 0xfd, or null. */
export function nanPatchOfVector(opcode: number): number | null {
  if (vectors_f32x4.has(opcode)) return patchKinds.nan_f32x4;
  return vectors_f64x2.has(opcode) ? patchKinds.nan_f64x2 : null;
}
