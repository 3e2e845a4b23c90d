/**
 * Assembles WebAssembly modules byte by byte, for tests that need what no compiler emits. It checks
 * nothing: wrong modules are the point of some tests. Code is given as bytes, made with `code`.
 */

export const t = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
} as const;

export function uleb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}

export function sleb(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && low < 64) || (rest === -1n && low >= 64)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** Instructions with immediates; the rest are written as their opcode. */
export const code = {
  i32: (value: number): number[] => [0x41, ...sleb(value | 0)],
  i64: (value: bigint): number[] => [0x42, ...sleb(BigInt.asIntN(64, value))],
  f32: (value: number): number[] => [0x43, ...new Uint8Array(Float32Array.of(value).buffer)],
  f64: (value: number): number[] => [0x44, ...new Uint8Array(Float64Array.of(value).buffer)],
  get: (local: number): number[] => [0x20, ...uleb(local)],
  set: (local: number): number[] => [0x21, ...uleb(local)],
  tee: (local: number): number[] => [0x22, ...uleb(local)],
  globalGet: (index: number): number[] => [0x23, ...uleb(index)],
  globalSet: (index: number): number[] => [0x24, ...uleb(index)],
  call: (index: number): number[] => [0x10, ...uleb(index)],
  callIndirect: (type: number, table = 0): number[] => [0x11, ...uleb(type), ...uleb(table)],
  returnCall: (index: number): number[] => [0x12, ...uleb(index)],
  br: (label: number): number[] => [0x0c, ...uleb(label)],
  brIf: (label: number): number[] => [0x0d, ...uleb(label)],
  brTable: (labels: readonly number[], otherwise: number): number[] => [
    0x0e,
    ...uleb(labels.length),
    ...labels.flatMap(uleb),
    ...uleb(otherwise),
  ],
  block: (body: number[], type = 0x40): number[] => [0x02, type, ...body, 0x0b],
  loop: (body: number[], type = 0x40): number[] => [0x03, type, ...body, 0x0b],
  if: (then: number[], otherwise: number[] | null = null, type = 0x40): number[] => {
    return [0x04, type, ...then, ...(otherwise === null ? [] : [0x05, ...otherwise]), 0x0b];
  },
  /** A load or store with natural addressing. */
  access: (opcode: number, offset = 0): number[] => [opcode, 0, ...uleb(offset)],
  refFunc: (index: number): number[] => [0xd2, ...uleb(index)],
};

interface FunctionParts {
  readonly params?: readonly number[];
  readonly results?: readonly number[];
  readonly locals?: readonly number[];
  readonly code: readonly number[];
  readonly export?: string;
}

export class WasmBuilder {
  readonly #types: number[][] = [];
  readonly #imports: number[][] = [];
  readonly #functions: number[][] = [];
  readonly #bodies: number[][] = [];
  readonly #tables: number[][] = [];
  readonly #memories: number[][] = [];
  readonly #globals: number[][] = [];
  readonly #exports: number[][] = [];
  readonly #elements: number[][] = [];
  readonly #datas: number[][] = [];
  readonly #others: (readonly [after: number, id: number, content: number[]])[] = [];
  #functionImports = 0;
  #start: number | null = null;
  #dataCount = false;

  type(params: readonly number[], results: readonly number[]): number {
    return this.rawType([0x60, ...uleb(params.length), ...params, ...uleb(results.length), ...results]);
  }

  rawType(bytes: number[]): number {
    const known = this.#types.findIndex((type) => type.join() === bytes.join());
    return known >= 0 ? known : this.#types.push(bytes) - 1;
  }

  /** Imported functions come before all defined ones. */
  importFunction(
    module: string,
    name: string,
    params: readonly number[],
    results: readonly number[],
  ): number {
    this.rawImport(module, name, [0, ...uleb(this.type(params, results))]);
    return this.#functionImports++;
  }

  rawImport(module: string, name: string, description: number[]): void {
    this.#imports.push([...text(module), ...text(name), ...description]);
  }

  function(parts: FunctionParts): number {
    const locals = (parts.locals ?? []).flatMap((type) => [1, type]);
    const body = [...uleb((parts.locals ?? []).length), ...locals, ...parts.code, 0x0b];
    this.rawFunction(this.type(parts.params ?? [], parts.results ?? []), body);
    const index = this.#functionImports + this.#functions.length - 1;
    if (parts.export !== undefined) this.export(parts.export, 0, index);
    return index;
  }

  /** `bytes`: groups of locals, then code up to its `end`. */
  rawFunction(type: number, bytes: number[]): void {
    this.#functions.push(uleb(type));
    this.#bodies.push([...uleb(bytes.length), ...bytes]);
  }

  table(minimum: number, maximum: number | null = null, type: number = t.funcref): void {
    this.#tables.push([type, ...limits(minimum, maximum)]);
  }

  memory(minimum: number, maximum: number | null = null): void {
    this.rawMemory(limits(minimum, maximum));
  }

  rawMemory(bytes: number[]): void {
    this.#memories.push(bytes);
  }

  global(type: number, mutable: boolean, initial: number[], name?: string): number {
    const index = this.#globals.push([type, mutable ? 1 : 0, ...initial, 0x0b]) - 1;
    if (name !== undefined) this.export(name, 3, index);
    return index;
  }

  /** kind: 0 function, 1 table, 2 memory, 3 global. */
  export(name: string, kind: number, index: number): void {
    this.#exports.push([...text(name), kind, ...uleb(index)]);
  }

  start(index: number): void {
    this.#start = index;
  }

  element(offset: number, functions: readonly number[]): void {
    this.rawElement([0, ...code.i32(offset), 0x0b, ...uleb(functions.length), ...functions.flatMap(uleb)]);
  }

  rawElement(bytes: number[]): void {
    this.#elements.push(bytes);
  }

  data(offset: number, bytes: readonly number[]): void {
    this.#datas.push([0, ...code.i32(offset), 0x0b, ...uleb(bytes.length), ...bytes]);
  }

  passiveData(bytes: readonly number[]): void {
    this.#dataCount = true;
    this.#datas.push([1, ...uleb(bytes.length), ...bytes]);
  }

  /** A section after the one with id `after` (0: first). */
  section(after: number, id: number, content: number[]): void {
    this.#others.push([after, id, content]);
  }

  build(): Uint8Array<ArrayBuffer> {
    const out = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
    const put = (id: number, content: number[]): void => {
      out.push(id, ...uleb(content.length));
      for (const byte of content) out.push(byte);
    };
    const others = (after: number): void => {
      for (const [place, id, content] of this.#others) if (place === after) put(id, content);
    };
    const vector = (id: number, entries: readonly number[][]): void => {
      if (entries.length > 0) put(id, [...uleb(entries.length), ...entries.flat()]);
      others(id);
    };
    others(0);
    vector(1, this.#types);
    vector(2, this.#imports);
    vector(3, this.#functions);
    vector(4, this.#tables);
    vector(5, this.#memories);
    vector(6, this.#globals);
    vector(7, this.#exports);
    if (this.#start !== null) put(8, uleb(this.#start));
    vector(9, this.#elements);
    if (this.#dataCount) put(12, uleb(this.#datas.length));
    vector(10, this.#bodies);
    vector(11, this.#datas);
    return Uint8Array.from(out);
  }
}

function text(value: string): number[] {
  const bytes = new TextEncoder().encode(value);
  return [...uleb(bytes.length), ...bytes];
}

function limits(minimum: number, maximum: number | null): number[] {
  return maximum === null ? [0, ...uleb(minimum)] : [1, ...uleb(minimum), ...uleb(maximum)];
}

/** A builder with what every agent exports: memory of `pages`, `alloc` at 1024, and this `handle`. */
export function agentBuilder(handle: FunctionParts["code"], options: AgentOptions = {}): WasmBuilder {
  const builder = new WasmBuilder();
  options.before?.(builder);
  builder.memory(options.pages ?? 1, options.maximum ?? null);
  builder.export("memory", 2, 0);
  builder.function({
    params: [t.i32],
    results: [t.i32],
    code: options.alloc ?? code.i32(1_024),
    export: "alloc",
  });
  builder.function({
    params: [t.i32, t.i32],
    locals: options.locals ?? [],
    code: handle,
    export: "handle",
  });
  return builder;
}

interface AgentOptions {
  readonly pages?: number;
  readonly maximum?: number | null;
  /** Instead of always 1024. */
  readonly alloc?: readonly number[];
  /** Types of the locals of `handle`, from index 2 on. */
  readonly locals?: readonly number[];
  /** Imports and other functions that come first. */
  readonly before?: (builder: WasmBuilder) => void;
}
