/**
 * WebAssembly 2.0's instructions (plus tail calls) as a table: what follows each opcode, which are
 * refused and as which feature. What the rewriter does at them is scan-body.ts.
 */
import type { RefusedFeature } from "./refusal.ts";

/** What follows an opcode and only has to be checked and copied. */
export type PlainImmediate =
  | "none"
  | "local"
  | "global"
  | "table"
  | "types"
  | "address"
  | "address_lane"
  | "lane"
  | "shuffle"
  | "i32"
  | "i64"
  | "f32"
  | "f64"
  | "reference";

/** What follows an opcode that the rewriter does something about. */
export type ControlImmediate = "block" | "label" | "labels" | "function" | "indirect" | "memory" | "prefixed";

export type Immediate = PlainImmediate | ControlImmediate;

/** What follows an opcode of the prefix 0xfc. */
export type BulkImmediate = "none" | "table" | "data" | "copy" | "fill";

/** An instruction that agents may not use. */
export interface RefusedInstruction {
  readonly feature: RefusedFeature;
  readonly name: string;
}

/** Opcodes that the rewriter names. */
export const op = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32Eq: 0x46,
  i32Lt: 0x48,
  i32LtU: 0x49,
  i32GtU: 0x4b,
  f32Eq: 0x5b,
  f64Eq: 0x61,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Or: 0x72,
  i32Shl: 0x74,
  i32ShrU: 0x76,
  i32WrapI64: 0xa7,
  i64ExtendI32U: 0xad,
  i32ReinterpretF32: 0xbc,
  i64ReinterpretF64: 0xbd,
  f32ReinterpretI32: 0xbe,
  f64ReinterpretI64: 0xbf,
  refFunc: 0xd2,
  bulkPrefix: 0xfc,
  vectorPrefix: 0xfd,
} as const;

const immediates: (Immediate | null)[] = Array.from({ length: 256 }, () => null);
function define(first: number, last: number, immediate: Immediate): void {
  for (let opcode = first; opcode <= last; opcode++) immediates[opcode] = immediate;
}
define(0x00, 0x01, "none");
define(0x02, 0x04, "block");
define(0x05, 0x05, "none");
define(0x0b, 0x0b, "none");
define(0x0c, 0x0d, "label");
define(0x0e, 0x0e, "labels");
define(0x0f, 0x0f, "none");
define(0x10, 0x10, "function");
define(0x11, 0x11, "indirect");
define(0x12, 0x12, "function");
define(0x13, 0x13, "indirect");
define(0x1a, 0x1b, "none");
define(0x1c, 0x1c, "types");
define(0x20, 0x22, "local");
define(0x23, 0x24, "global");
define(0x25, 0x25, "table");
define(0x28, 0x3e, "address");
define(0x3f, 0x40, "memory");
define(0x41, 0x41, "i32");
define(0x42, 0x42, "i64");
define(0x43, 0x43, "f32");
define(0x44, 0x44, "f64");
define(0x45, 0xc4, "none");
define(0xd0, 0xd0, "reference");
define(0xd1, 0xd1, "none");
define(0xd2, 0xd2, "function");
define(0xfc, 0xfd, "prefixed");

/** What follows a one-byte opcode; null when it is not allowed. */
export function immediateOf(opcode: number): Immediate | null {
  return immediates[opcode] as Immediate | null;
}

/** What follows an opcode after the prefix 0xfc; null when it is not allowed. */
export function bulkImmediateOf(opcode: number): BulkImmediate | null {
  if (opcode <= 7) return "none";
  if (opcode === 8) return "data";
  if (opcode === 10) return "copy";
  if (opcode === 11) return "fill";
  if (opcode === 16) return "table";
  return null;
}

/** What follows an opcode after the prefix 0xfd; null when it is not allowed. */
export function vectorImmediateOf(opcode: number): PlainImmediate | null {
  if (opcode <= 11 || opcode === 92 || opcode === 93) return "address";
  if (opcode === 12 || opcode === 13) return "shuffle";
  if (opcode >= 21 && opcode <= 34) return "lane";
  if (opcode >= 84 && opcode <= 91) return "address_lane";
  return opcode <= 255 ? "none" : null;
}

const named = (feature: RefusedFeature, name: string): RefusedInstruction => ({ feature, name });

const refusedPlain: Readonly<Record<number, RefusedInstruction>> = {
  0x06: named("exceptions", "try"),
  0x07: named("exceptions", "catch"),
  0x08: named("exceptions", "throw"),
  0x09: named("exceptions", "rethrow"),
  0x0a: named("exceptions", "throw_ref"),
  0x14: named("typed_references", "call_ref"),
  0x15: named("typed_references", "return_call_ref"),
  0x18: named("exceptions", "delegate"),
  0x19: named("exceptions", "catch_all"),
  0x1f: named("exceptions", "try_table"),
  0x26: named("table_mutation", "table.set"),
  0xd3: named("gc", "ref.eq"),
  0xd4: named("typed_references", "ref.as_non_null"),
  0xd5: named("typed_references", "br_on_null"),
  0xd6: named("typed_references", "br_on_non_null"),
  0xfb: named("gc", "a struct, array or i31 instruction"),
  0xfe: named("threads", "an atomic instruction"),
};

const refusedBulk: Readonly<Record<number, RefusedInstruction>> = {
  9: named("dropped_segments", "data.drop"),
  12: named("table_mutation", "table.init"),
  13: named("dropped_segments", "elem.drop"),
  14: named("table_mutation", "table.copy"),
  15: named("table_mutation", "table.grow"),
  17: named("table_mutation", "table.fill"),
};

/** Why an opcode that has no immediate here is refused. `prefix` is 0 for one-byte opcodes. */
export function refusedInstruction(prefix: number, opcode: number): RefusedInstruction {
  const hex = `opcode ${prefix === 0 ? "" : `0x${prefix.toString(16)} `}0x${opcode.toString(16)}`;
  if (prefix === op.vectorPrefix && opcode <= 0x1ff) return named("relaxed_simd", hex);
  const table = prefix === op.bulkPrefix ? refusedBulk : prefix === 0 ? refusedPlain : {};
  return table[opcode] ?? named("unknown", hex);
}
