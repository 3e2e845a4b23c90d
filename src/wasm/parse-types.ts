/** Reads value types and limits, refusing those of proposals that agents may not use. */
import { valueTypes } from "./abi.ts";
import type { ModuleReader } from "./module-reader.ts";
import { malformed, refuseFeature } from "./refusal.ts";

/** Heap types of the GC proposal in their short form, and the long forms `(ref ht)`, `(ref null ht)`. */
function refuseType(byte: number, offset: number): never {
  if (byte === 0x63 || byte === 0x64) refuseFeature("typed_references", { offset });
  if (byte === 0x69 || byte === 0x74) refuseFeature("exceptions", { offset });
  if (byte >= 0x6a && byte <= 0x73) refuseFeature("gc", { offset });
  return malformed(`unknown value type ${byte}`, offset);
}

export function isReferenceType(byte: number): boolean {
  return byte === valueTypes.funcref || byte === valueTypes.externref;
}

export function isNumericType(byte: number): boolean {
  return byte >= valueTypes.v128 && byte <= valueTypes.i32;
}

export function readValueType(reader: ModuleReader): number {
  const at = reader.offset;
  const byte = reader.u8();
  if (!isNumericType(byte) && !isReferenceType(byte)) refuseType(byte, at);
  return byte;
}

export function readReferenceType(reader: ModuleReader): number {
  const at = reader.offset;
  const byte = reader.u8();
  if (!isReferenceType(byte)) refuseType(byte, at);
  return byte;
}

/** The type of a `ref.null`, which may also be one of the bottom types. */
export function readNullType(reader: ModuleReader): void {
  const at = reader.offset;
  const byte = reader.u8();
  if (byte !== 0x72 && byte !== 0x73 && !isReferenceType(byte)) refuseType(byte, at);
}

export function readValueTypes(reader: ModuleReader, what: string, limit: number): Uint8Array {
  const count = reader.count(what, limit);
  const start = reader.offset;
  for (let i = 0; i < count; i++) readValueType(reader);
  return reader.bytes.slice(start, reader.offset);
}

export interface Limits {
  readonly minimum: number;
  readonly maximum: number | null;
  readonly shared: boolean;
}

/** Limits of a memory or a table; 64-bit ones and custom page sizes are refused. */
export function readLimits(reader: ModuleReader): Limits {
  const at = reader.offset;
  const flags = reader.u8();
  if (flags & 0x08) refuseFeature("page_size", { offset: at });
  if (flags & 0x04) refuseFeature("memory64", { offset: at });
  if (flags > 0x0f) malformed(`unknown limits ${flags}`, at);
  const minimum = reader.u32();
  const maximum = flags & 0x01 ? reader.u32() : null;
  if (maximum !== null && maximum < minimum) malformed(`maximum ${maximum} is below minimum ${minimum}`, at);
  return { minimum, maximum, shared: (flags & 0x02) !== 0 };
}
