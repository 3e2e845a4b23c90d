/**
 * Writes the instrumented module: the guest's sections with what the rewriter adds to each. The
 * guest's types, functions and globals keep their indices. Only the exports that the host uses
 * stay; custom sections go, but for one of our own that says how many snapshot slots there are.
 */
import { controlExports, controlSection, exportSignatures, valueTypes } from "./abi.ts";
import { helperBody, helperType, meteredImport, slotsOf } from "./helper-functions.ts";
import { addedGlobals, helperNames, layoutOf } from "./instrumentation.ts";
import type { Layout } from "./instrumentation.ts";
import { moduleLimits } from "./limits.ts";
import { ModuleWriter } from "./module-writer.ts";
import { op } from "./opcodes.ts";
import { sectionIds } from "./parsed-module.ts";
import type { ByteRange, FunctionType, ModuleExport, ParsedModule } from "./parsed-module.ts";
import { refuse } from "./refusal.ts";
import { BodyRewriter } from "./rewrite-body.ts";
import { BodyScanner } from "./scan-body.ts";

export interface RewriteOptions {
  /** Cap of memory; the module's own maximum may be lower. */
  readonly maximum_pages: number;
  readonly canonicalNans: boolean;
  /** Keeps every export of the guest, for comparing it with the plain module. */
  readonly allExports: boolean;
}

/** Instruments a parsed module, which has a memory; throws `invalid_module` on bad code. */
export function rewriteModule(module: ParsedModule, options: RewriteOptions): Uint8Array<ArrayBuffer> {
  return new ModuleRewriter(module, options).write();
}

class ModuleRewriter {
  readonly #module: ParsedModule;
  readonly #options: RewriteOptions;
  readonly #layout: Layout;
  readonly #out: ModuleWriter;
  /** Types behind the guest's, and where each is, by its bytes. */
  readonly #types: FunctionType[] = [];
  readonly #typeIndices = new Map<string, number>();
  readonly #referenced = new Set<number>();

  constructor(module: ParsedModule, options: RewriteOptions) {
    this.#module = module;
    this.#options = options;
    this.#layout = layoutOf(module);
    this.#out = new ModuleWriter(module.bytes.length * 2);
  }

  write(): Uint8Array<ArrayBuffer> {
    // Code comes first, since it says which types and references the sections before it need.
    const code = this.#code();
    const helperTypes = helperNames.map((helper) => this.#type(helperType(helper)));
    this.#out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    this.#section(sectionIds.type, this.#module.types.length, this.#types, (out, type) =>
      writeType(out, type),
    );
    this.#section(sectionIds.import, this.#module.imports.length, [], () => undefined);
    const added = [...helperTypes, ...this.#module.imports.map((imported) => imported.type)];
    this.#section(sectionIds.function, this.#module.functions.length, added, (out, type) => out.u32(type));
    this.#section(sectionIds.table, this.#module.tables, [], () => undefined);
    this.#memory();
    this.#section(sectionIds.global, this.#module.globals.length, this.#globals(), (out, initial) => {
      out.bytes([valueTypes.i32, 1, op.i32Const]);
      out.s32(initial);
      out.u8(op.end);
    });
    this.#exports();
    this.#elements();
    if (this.#module.dataCount !== null) {
      const content = new ModuleWriter(8);
      content.u32(this.#module.dataCount);
      this.#out.sized(sectionIds.dataCount, content);
    }
    this.#out.sized(sectionIds.code, code);
    this.#section(sectionIds.data, this.#module.dataSegments, [], () => undefined);
    this.#control();
    if (this.#out.length > moduleLimits.instrumented_bytes) {
      refuse(`it grows to ${this.#out.length} bytes when it is metered; make it smaller`);
    }
    return this.#out.finish();
  }

  /** The guest's entries of a section, then `added`. */
  #section<T>(
    id: number,
    count: number,
    added: readonly T[],
    write: (out: ModuleWriter, item: T) => void,
  ): void {
    if (count + added.length === 0) return;
    const range = this.#module.entries.get(id);
    const content = new ModuleWriter((range ? range.end - range.start : 0) + 64);
    content.u32(count + added.length);
    if (range) this.#copy(content, range);
    for (const item of added) write(content, item);
    this.#out.sized(id, content);
  }

  /** Copies a range; references to imports inside it become references to their metered doubles. */
  #copy(out: ModuleWriter, range: ByteRange): void {
    let from = range.start;
    for (const reference of this.#module.references) {
      if (reference.start < from || reference.end > range.end) continue;
      out.range(this.#module.bytes, from, reference.start);
      out.u32(this.#layout.reference(reference.index));
      from = reference.end;
    }
    out.range(this.#module.bytes, from, range.end);
  }

  /** The index of a type, the guest's first. */
  #type(type: FunctionType): number {
    const key = `${type.params.join()}>${type.results.join()}`;
    const known = this.#typeIndices.get(key);
    if (known !== undefined) return known;
    const index = this.#module.types.length + this.#types.push(type) - 1;
    this.#typeIndices.set(key, index);
    return index;
  }

  #code(): ModuleWriter {
    const module = this.#module;
    const layout = this.#layout;
    const out = new ModuleWriter(module.bytes.length * 2);
    out.u32(module.bodies.length + helperNames.length + module.imports.length);
    const scanner = new BodyScanner(module, this.#referenced, this.#options.canonicalNans);
    const rewriter = new BodyRewriter(module, layout, (results) =>
      this.#type({ params: new Uint8Array(0), results }),
    );
    for (const [i, body] of module.bodies.entries()) {
      const index = module.imports.length + i;
      scanner.scan(index, body);
      rewriter.write(out, index, body, scanner);
      if (out.length > moduleLimits.instrumented_bytes) {
        refuse(
          `it grows beyond ${moduleLimits.instrumented_bytes} bytes when it is metered; make it smaller`,
        );
      }
    }
    for (const helper of helperNames)
      out.sized(null, helperBody(helper, module, layout, this.#options.maximum_pages));
    for (const [i, imported] of module.imports.entries()) {
      out.sized(null, meteredImport(i, imported.name, module.types[imported.type] as FunctionType, layout));
    }
    return out;
  }

  #memory(): void {
    const content = new ModuleWriter(16);
    content.bytes([1, 1]);
    content.u32(this.#module.memory?.initial_pages ?? 0);
    content.u32(this.#options.maximum_pages);
    this.#out.sized(sectionIds.memory, content);
  }

  /** First values of our globals: all zero but the page count. */
  #globals(): number[] {
    const initial = Array.from({ length: addedGlobals }, () => 0);
    initial[this.#layout.global("pages") - this.#module.globals.length] =
      this.#module.memory?.initial_pages ?? 0;
    return initial;
  }

  #exports(): void {
    const kept = [...this.#module.exports].filter(([name]) => {
      return this.#options.allExports || name === "memory" || Object.hasOwn(exportSignatures, name);
    });
    const layout = this.#layout;
    const ours: [string, number][] = [
      [controlExports.enter, layout.helper("enter")],
      [controlExports.fuel, layout.helper("fuelLeft")],
      [controlExports.reason, layout.helper("trapReason")],
      [controlExports.charge, layout.helper("charge")],
      [controlExports.slotGet, layout.helper("slotGet")],
      [controlExports.slotSet, layout.helper("slotSet")],
    ];
    if (this.#module.start !== null) ours.push([controlExports.start, layout.reference(this.#module.start)]);
    const content = new ModuleWriter(256);
    content.u32(kept.length + ours.length);
    for (const [name, target] of kept) writeExport(content, name, target, layout);
    for (const [name, index] of ours) writeExport(content, name, { kind: "function", index }, layout);
    this.#out.sized(sectionIds.export, content);
  }

  /** The guest's segments, and a declaration of what its code refers to by `ref.func`. */
  #elements(): void {
    const declared = [...this.#referenced].map((index) => this.#layout.reference(index));
    this.#section(
      sectionIds.element,
      this.#module.elementSegments,
      declared.length === 0 ? [] : [declared],
      (out, list) => {
        out.bytes([3, 0]);
        out.u32(list.length);
        for (const index of list) out.u32(index);
      },
    );
  }

  #control(): void {
    const content = new ModuleWriter(16);
    content.name(controlSection.name);
    content.u8(controlSection.version);
    content.u32(slotsOf(this.#module, this.#layout).length);
    this.#out.sized(sectionIds.custom, content);
  }
}

const kindBytes = { function: 0, table: 1, memory: 2, global: 3 } as const;

function writeExport(out: ModuleWriter, name: string, target: ModuleExport, layout: Layout): void {
  out.name(name);
  out.u8(kindBytes[target.kind]);
  out.u32(target.kind === "function" ? layout.reference(target.index) : target.index);
}

function writeType(out: ModuleWriter, type: FunctionType): void {
  out.u8(0x60);
  out.u32(type.params.length);
  out.bytes(type.params);
  out.u32(type.results.length);
  out.bytes(type.results);
}
