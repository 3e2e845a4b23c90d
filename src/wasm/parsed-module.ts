/** A module taken apart as far as the rewriter needs it: indices resolved, bytes referred to by range. */

/** A half-open range of the module's bytes. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface FunctionType {
  readonly params: Uint8Array;
  readonly results: Uint8Array;
}

export interface ImportedFunction {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}

export interface GlobalType {
  readonly type: number;
  readonly mutable: boolean;
}

export interface ModuleExport {
  readonly kind: "function" | "table" | "memory" | "global";
  readonly index: number;
}

/** A reference to an imported function outside of code: its index's bytes, to be replaced. */
export interface FunctionReference extends ByteRange {
  readonly index: number;
}

export interface ParsedModule {
  readonly bytes: Uint8Array;
  readonly types: FunctionType[];
  readonly imports: ImportedFunction[];
  /** Type index of each function defined here. */
  readonly functions: number[];
  tables: number;
  memory: { readonly initial_pages: number; readonly maximum_pages: number | null } | null;
  readonly globals: GlobalType[];
  readonly exports: Map<string, ModuleExport>;
  start: number | null;
  elementSegments: number;
  dataCount: number | null;
  dataSegments: number;
  /** Of each defined function: locals and instructions, without the size before them. */
  readonly bodies: ByteRange[];
  /** Entries of a section without its count, by section id. */
  readonly entries: Map<number, ByteRange>;
  readonly references: FunctionReference[];
}

export const sectionIds = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** Number of functions, imported ones first. */
export function functionCount(module: ParsedModule): number {
  return module.imports.length + module.functions.length;
}

/** The type of a function by its index, which the caller has checked. */
export function functionType(module: ParsedModule, index: number): FunctionType {
  const imported = module.imports[index];
  const type = imported === undefined ? module.functions[index - module.imports.length] : imported.type;
  return module.types[type as number] as FunctionType;
}
