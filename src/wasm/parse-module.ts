/**
 * Takes a module apart, section by section, refusing what is malformed, too large or not allowed.
 * Instructions of function bodies are not read here (scan-body.ts); types are not checked: the
 * engine validates the instrumented module, which is valid only if this one was.
 */
import { unreachable } from "../base/assert.ts";
import { formatSize } from "../base/sizes.ts";
import { moduleLimits } from "./limits.ts";
import { ModuleReader } from "./module-reader.ts";
import { parseElements, parseGlobals, parseData } from "./parse-initializers.ts";
import { readLimits, readReferenceType, readValueTypes } from "./parse-types.ts";
import { functionCount, sectionIds } from "./parsed-module.ts";
import type { ModuleExport, ParsedModule } from "./parsed-module.ts";
import { malformed, refuse, refuseFeature } from "./refusal.ts";

/** Section ids in the order that the format demands; custom sections stand anywhere. */
const order = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

/** Parses all sections; throws `invalid_module`. Time and memory are linear in the bytes. */
export function parseModule(bytes: Uint8Array): ParsedModule {
  const reader = new ModuleReader(bytes, 0, bytes.length);
  checkHeader(bytes);
  reader.offset = 8;
  const module: ParsedModule = {
    bytes,
    types: [],
    imports: [],
    functions: [],
    tables: 0,
    memory: null,
    globals: [],
    exports: new Map(),
    start: null,
    elementSegments: 0,
    dataCount: null,
    dataSegments: 0,
    bodies: [],
    entries: new Map(),
    references: [],
  };
  let position = -1;
  while (reader.remaining > 0) {
    const at = reader.offset;
    const id = reader.u8();
    const size = reader.u32();
    if (size > reader.remaining) malformed(`section ${id} of ${size} bytes is truncated`, at);
    const end = reader.offset + size;
    if (id === sectionIds.custom) {
      // Dropped, but a module that the engine would refuse is refused here.
      new ModuleReader(bytes, reader.offset, end).name();
    } else {
      const next = order.indexOf(id);
      if (next < 0) malformed(`unknown section ${id}`, at);
      if (next <= position) malformed(`section ${id} is repeated or out of order`, at);
      position = next;
      parseSection(id, module, new ModuleReader(bytes, reader.offset, end));
    }
    reader.offset = end;
  }
  if (module.bodies.length !== module.functions.length) {
    malformed(
      `${module.functions.length} functions are declared but ${module.bodies.length} have code`,
      bytes.length,
    );
  }
  if (module.dataCount !== null && module.dataCount !== module.dataSegments) {
    malformed(
      `${module.dataCount} data segments are announced but there are ${module.dataSegments}`,
      bytes.length,
    );
  }
  return module;
}

function checkHeader(bytes: Uint8Array): void {
  if (bytes.length > moduleLimits.module_bytes) {
    refuse(
      `it is ${formatSize(bytes.length)} and the limit is 16MiB; strip debug information or split the agent`,
    );
  }
  if (bytes.length < 8 || bytes[0] !== 0 || bytes[1] !== 0x61 || bytes[2] !== 0x73 || bytes[3] !== 0x6d) {
    const hint =
      bytes[0] === 0x28
        ? "it looks like the text format, compile it first (wat2wasm)"
        : "is it a .wasm file?";
    refuse(`it does not begin with \\0asm; ${hint}`);
  }
  if (bytes[4] === 1 && bytes[5] === 0 && bytes[6] === 0 && bytes[7] === 0) return;
  if (bytes[6] === 1) refuse("it is a component; build a core module (no component step, no wit-bindgen)");
  const version = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(4, true);
  refuse(`it has version ${version} and only 1 is known`);
}

function parseSection(id: number, module: ParsedModule, reader: ModuleReader): void {
  if (id === sectionIds.tag) refuseFeature("exceptions", { offset: reader.offset });
  if (id === sectionIds.start) {
    module.start = functionIndex(reader, module);
  } else if (id === sectionIds.dataCount) {
    module.dataCount = reader.u32();
  } else {
    const what = entryNames[id] as readonly [string, number];
    const count = reader.count(what[0], what[1]);
    module.entries.set(id, { start: reader.offset, end: reader.end });
    parseEntries(id, count, module, reader);
  }
  if (reader.remaining !== 0)
    malformed(`section ${id} has ${reader.remaining} bytes too many`, reader.offset);
}

const entryNames: Readonly<Record<number, readonly [string, number]>> = {
  1: ["types", moduleLimits.types],
  2: ["imports", moduleLimits.imports],
  3: ["functions", moduleLimits.functions],
  4: ["tables", moduleLimits.tables],
  5: ["memories", 1_000],
  6: ["globals", moduleLimits.globals],
  7: ["exports", moduleLimits.exports],
  9: ["element segments", moduleLimits.elementSegments],
  10: ["function bodies", moduleLimits.functions],
  11: ["data segments", moduleLimits.dataSegments],
};

function parseEntries(id: number, count: number, module: ParsedModule, reader: ModuleReader): void {
  switch (id) {
    case sectionIds.type:
      return parseTypes(count, module, reader);
    case sectionIds.import:
      return parseImports(count, module, reader);
    case sectionIds.function:
      for (let i = 0; i < count; i++) module.functions.push(typeIndex(reader, module));
      return;
    case sectionIds.table:
      return parseTables(count, module, reader);
    case sectionIds.memory:
      return parseMemory(count, module, reader);
    case sectionIds.global:
      return parseGlobals(count, module, reader);
    case sectionIds.export:
      return parseExports(count, module, reader);
    case sectionIds.element:
      return parseElements(count, module, reader);
    case sectionIds.code:
      return parseBodies(count, module, reader);
    case sectionIds.data:
      return parseData(count, module, reader);
    default:
      return unreachable(id as never);
  }
}

function parseTypes(count: number, module: ParsedModule, reader: ModuleReader): void {
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const form = reader.u8();
    if (form === 0x5e || form === 0x5f || form === 0x50 || form === 0x4f || form === 0x4e) {
      refuseFeature("gc", { offset: at });
    }
    if (form !== 0x60) malformed(`unknown type form ${form}`, at);
    const params = readValueTypes(reader, "parameters", moduleLimits.params);
    const results = readValueTypes(reader, "results", moduleLimits.results);
    module.types.push({ params, results });
  }
}

function typeIndex(reader: ModuleReader, module: ParsedModule): number {
  const at = reader.offset;
  const index = reader.u32();
  if (index >= module.types.length) malformed(`type ${index} does not exist`, at);
  return index;
}

function functionIndex(reader: ModuleReader, module: ParsedModule): number {
  const at = reader.offset;
  const index = reader.u32();
  if (index >= functionCount(module)) malformed(`function ${index} does not exist`, at);
  return index;
}

function parseImports(count: number, module: ParsedModule, reader: ModuleReader): void {
  for (let i = 0; i < count; i++) {
    const from = reader.name();
    const name = reader.name();
    const at = reader.offset;
    const kind = reader.u8();
    if (kind === 0) {
      module.imports.push({ module: from, name, type: typeIndex(reader, module) });
    } else if (kind === 2) {
      refuseFeature("memory_import", { offset: at, instruction: `${from}.${name}` });
    } else if (kind === 4) {
      refuseFeature("exceptions", { offset: at, instruction: `${from}.${name}` });
    } else {
      const what = kind === 1 ? "table" : kind === 3 ? "global" : "unknown kind";
      refuse(`it imports a ${what}, ${from}.${name}; only functions of "caxton" can be imported`);
    }
  }
}

function parseTables(count: number, module: ParsedModule, reader: ModuleReader): void {
  let entries = 0;
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    if (reader.bytes[at] === 0x40) refuseFeature("typed_references", { offset: at });
    readReferenceType(reader);
    const limits = readLimits(reader);
    if (limits.shared) refuseFeature("threads", { offset: at });
    entries += limits.minimum;
    if (entries > moduleLimits.tableEntries) {
      refuse(
        `its tables have ${entries} entries and ${moduleLimits.tableEntries} are allowed; declare smaller ones`,
      );
    }
  }
  module.tables = count;
}

function parseMemory(count: number, module: ParsedModule, reader: ModuleReader): void {
  if (count > 1) refuseFeature("multi_memory", { offset: reader.offset });
  if (count === 0) return;
  const at = reader.offset;
  const limits = readLimits(reader);
  if (limits.shared) refuseFeature("threads", { offset: at });
  if (limits.minimum > 65_536) malformed(`memory of ${limits.minimum} pages`, at);
  module.memory = { initial_pages: limits.minimum, maximum_pages: limits.maximum };
}

const exportKinds = ["function", "table", "memory", "global"] as const;

function parseExports(count: number, module: ParsedModule, reader: ModuleReader): void {
  const existing = {
    function: functionCount(module),
    table: module.tables,
    memory: 1,
    global: module.globals.length,
  };
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const name = reader.name();
    const byte = reader.u8();
    if (byte === 4) refuseFeature("exceptions", { offset: at });
    const kind: ModuleExport["kind"] | undefined = exportKinds[byte];
    if (kind === undefined) malformed(`unknown export kind ${byte}`, at);
    const index = reader.u32();
    if (index >= existing[kind] || (kind === "memory" && module.memory === null)) {
      malformed(`export ${JSON.stringify(name)} names ${kind} ${index}, which does not exist`, at);
    }
    if (module.exports.has(name)) malformed(`export ${JSON.stringify(name)} is repeated`, at);
    module.exports.set(name, { kind, index });
  }
}

function parseBodies(count: number, module: ParsedModule, reader: ModuleReader): void {
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const size = reader.u32();
    const start = reader.offset;
    if (size > moduleLimits.body_bytes) {
      refuse(`function ${module.imports.length + i} (offset ${at}) has ${size} bytes of code; split it`);
    }
    reader.skip(size);
    module.bodies.push({ start, end: reader.offset });
  }
}
