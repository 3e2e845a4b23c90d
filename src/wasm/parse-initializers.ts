/**
 * Globals, element segments and data segments: everything that holds a constant expression.
 * References to imported functions are noted, since they are replaced by metered ones.
 */
import { moduleLimits } from "./limits.ts";
import type { ModuleReader } from "./module-reader.ts";
import { isReferenceType, readReferenceType, readValueType } from "./parse-types.ts";
import { functionCount } from "./parsed-module.ts";
import type { ParsedModule } from "./parsed-module.ts";
import { malformed, refuse, refuseFeature } from "./refusal.ts";

export function parseGlobals(count: number, module: ParsedModule, reader: ModuleReader): void {
  let mutables = 0;
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const type = readValueType(reader);
    const flag = reader.u8();
    if (flag & 0x02) refuseFeature("threads", { offset: at });
    if (flag > 1) malformed(`unknown mutability ${flag}`, at);
    const mutable = flag === 1;
    if (mutable && isReferenceType(type)) {
      refuse(
        `global ${i} (offset ${at}) is a mutable reference, which a snapshot would lose; build without it`,
      );
    }
    if (mutable && ++mutables > moduleLimits.mutableGlobals) {
      refuse(`it has more than ${moduleLimits.mutableGlobals} mutable globals; keep that state in memory`);
    }
    constantExpression(module, reader);
    module.globals.push({ type, mutable });
  }
}

/** The eight forms of element segments (WebAssembly 2.0, section 5.5.12). */
export function parseElements(count: number, module: ParsedModule, reader: ModuleReader): void {
  module.elementSegments = count;
  let elements = 0;
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const flags = reader.u32();
    if (flags > 7) malformed(`unknown element segment ${flags}`, at);
    const active = (flags & 1) === 0;
    if (active) {
      const table = flags & 2 ? reader.u32() : 0;
      if (table >= module.tables) malformed(`table ${table} does not exist`, at);
      constantExpression(module, reader);
    }
    const expressions = (flags & 4) !== 0;
    if (flags & 3) {
      if (expressions) readReferenceType(reader);
      else if (reader.u8() !== 0) malformed("unknown element kind", reader.offset - 1);
    }
    const items = reader.count("elements", moduleLimits.elements);
    elements += items;
    if (elements > moduleLimits.elements) malformed(`more than ${moduleLimits.elements} elements`, at);
    for (let j = 0; j < items; j++) {
      if (expressions) constantExpression(module, reader);
      else functionReference(module, reader);
    }
  }
}

export function parseData(count: number, module: ParsedModule, reader: ModuleReader): void {
  module.dataSegments = count;
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const flags = reader.u32();
    if (flags > 2) malformed(`unknown data segment ${flags}`, at);
    if (flags === 2 && reader.u32() !== 0) refuseFeature("multi_memory", { offset: at });
    if (flags !== 1) {
      if (module.memory === null) malformed("a data segment without a memory", at);
      constantExpression(module, reader);
    }
    reader.skip(reader.u32());
  }
}

/** A function's index outside of code; noted when the function is imported. */
function functionReference(module: ParsedModule, reader: ModuleReader): void {
  const start = reader.offset;
  const index = reader.u32();
  if (index >= functionCount(module)) malformed(`function ${index} does not exist`, start);
  if (index < module.imports.length) module.references.push({ start, end: reader.offset, index });
}

function constantExpression(module: ParsedModule, reader: ModuleReader): void {
  for (;;) {
    const at = reader.offset;
    const opcode = reader.u8();
    switch (opcode) {
      case 0x0b:
        return;
      case 0x41:
        reader.skipLeb(5);
        break;
      case 0x42:
        reader.skipLeb(10);
        break;
      case 0x43:
        reader.skip(4);
        break;
      case 0x44:
        reader.skip(8);
        break;
      case 0x23:
        if (reader.u32() >= module.globals.length) malformed("a global is used before it exists", at);
        break;
      case 0xd0:
        readReferenceType(reader);
        break;
      case 0xd2:
        functionReference(module, reader);
        break;
      case 0xfd:
        if (reader.u32() !== 0x0c) malformed("a constant expression holds another vector instruction", at);
        reader.skip(16);
        break;
      case 0xfb:
        refuseFeature("gc", { offset: at });
        break;
      default:
        // i32 and i64 add, sub, mul: extended constant expressions.
        if (![0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e].includes(opcode)) {
          malformed(`instruction ${opcode} in a constant expression`, at);
        }
    }
  }
}
