/**
 * Reads one function's instructions once, checks every index against the guest's own spaces (so
 * that no guest reaches what the rewriter adds), and notes what has to change. What each
 * instruction costs goes to fuel-blocks.ts.
 */
import { unreachable } from "../base/assert.ts";
import { hostCallFuel } from "./abi.ts";
import { FuelBlocks, chargedFuel } from "./fuel-blocks.ts";
import { moduleLimits } from "./limits.ts";
import { ModuleReader } from "./module-reader.ts";
import { nanPatchOf, nanPatchOfVector } from "./nan-patches.ts";
import { bulkImmediateOf, immediateOf, op, refusedInstruction, vectorImmediateOf } from "./opcodes.ts";
import type { PlainImmediate } from "./opcodes.ts";
import { readNullType, readValueType } from "./parse-types.ts";
import { functionCount, functionType } from "./parsed-module.ts";
import type { ByteRange, ParsedModule } from "./parsed-module.ts";
import { PatchList, patchKinds } from "./patches.ts";
import { malformed, refuse, refuseFeature } from "./refusal.ts";

export class BodyScanner {
  /** Of the body scanned last. */
  readonly patches = new PatchList();
  /** The first instruction's offset; locals stand before it. */
  code = 0;
  /** Parameters and locals; the next free index. */
  locals = 0;
  /** It calls functions of the module, so the depth is counted in it. */
  calls = false;
  usesBulk = false;

  /** What the first charge takes, which stands at the function's beginning. */
  get entryFuel(): number {
    const charged = this.patches.length > 0 && this.patches.kind(0) === patchKinds.charge;
    return charged ? chargedFuel(this.patches.value(0)) : 0;
  }

  readonly #module: ParsedModule;
  readonly #canonicalNans: boolean;
  #reader: ModuleReader;
  #index = 0;
  /** Of all bodies so far. */
  #blocks = 0;
  readonly #fuel = new FuelBlocks(this.patches);

  constructor(
    module: ParsedModule,
    /** Functions that `ref.func` names in code, in the guest's indices. */
    readonly referenced: Set<number>,
    canonicalNans: boolean,
  ) {
    this.#module = module;
    this.#canonicalNans = canonicalNans;
    this.#reader = new ModuleReader(module.bytes, 0, 0);
  }

  /** Scans the body of function `index` (imports counted); throws `invalid_module`. */
  scan(index: number, body: ByteRange): void {
    const reader = new ModuleReader(this.#module.bytes, body.start, body.end);
    this.#reader = reader;
    this.#index = index;
    this.patches.clear();
    this.calls = false;
    this.usesBulk = false;
    this.#readLocals();
    this.code = reader.offset;
    for (;;) {
      const at = reader.offset;
      const opcode = reader.u8();
      if (opcode === op.end) {
        if (this.#fuel.depth === 0) break;
        this.#fuel.end();
      } else if (opcode === op.else) {
        if (!this.#fuel.inThen) malformed("else without if", at);
        this.#fuel.else();
      } else {
        this.#instruction(at, opcode);
      }
    }
    if (reader.remaining !== 0) malformed(`function ${index} goes on after its end`, reader.offset);
  }

  #readLocals(): void {
    const reader = this.#reader;
    this.locals = functionType(this.#module, this.#index).params.length;
    const groups = reader.count("groups of locals", moduleLimits.body_bytes);
    for (let i = 0; i < groups; i++) {
      this.locals += reader.u32();
      if (this.locals > moduleLimits.locals) {
        refuse(`function ${this.#index} has more than ${moduleLimits.locals} locals; split it`);
      }
      readValueType(reader);
    }
    this.#fuel.begin(this.locals);
  }

  #instruction(at: number, opcode: number): void {
    if (this.patches.length > moduleLimits.patches) {
      refuse(`function ${this.#index} has more than ${moduleLimits.patches} places to meter; split it`);
    }
    // A trap ends the call, so what it costs makes no difference.
    if (opcode === op.block) this.#fuel.addBlock(at);
    else if (opcode !== op.unreachable) this.#fuel.add(at, 1);
    const immediate = immediateOf(opcode);
    if (immediate === null) this.#refuse(0, opcode, at);
    switch (immediate) {
      case "none":
        if (opcode === op.unreachable) this.#fuel.stop();
        else if (opcode === op.return) this.#return(at);
        else if (this.#canonicalNans) this.#canonicalize(nanPatchOf(opcode));
        break;
      case "block":
        this.#block(opcode);
        break;
      case "label":
        this.#label();
        if (opcode === op.br) this.#fuel.stop();
        break;
      case "labels":
        this.#labels();
        break;
      case "function":
        this.#function(at, opcode);
        break;
      case "indirect":
        this.#indirect(at, opcode);
        break;
      case "memory":
        this.#memory();
        this.patches.add(at, 2, opcode === op.memoryGrow ? patchKinds.grow : patchKinds.size, 0);
        break;
      case "prefixed":
        this.#prefixed(at, opcode);
        break;
      case "local":
      case "global":
      case "table":
      case "types":
      case "address":
      case "address_lane":
      case "lane":
      case "shuffle":
      case "i32":
      case "i64":
      case "f32":
      case "f64":
      case "reference":
        this.#skip(immediate);
        break;
      default:
        unreachable(immediate);
    }
  }

  /** Immediates that the rewriter only checks. */
  #skip(immediate: PlainImmediate): void {
    const reader = this.#reader;
    switch (immediate) {
      case "none":
        break;
      case "local":
        this.#check(reader.u32(), this.locals, "local");
        break;
      case "global":
        this.#check(reader.u32(), this.#module.globals.length, "global");
        break;
      case "table":
        this.#check(reader.u32(), this.#module.tables, "table");
        break;
      case "types":
        for (let i = reader.count("types", 1_000); i > 0; i--) readValueType(reader);
        break;
      case "address":
        this.#address();
        break;
      case "address_lane":
        this.#address();
        reader.skip(1);
        break;
      case "lane":
        reader.skip(1);
        break;
      case "i32":
        reader.skipLeb(5);
        break;
      case "i64":
        reader.skipLeb(10);
        break;
      case "f32":
        reader.skip(4);
        break;
      case "f64":
        reader.skip(8);
        break;
      case "shuffle":
        reader.skip(16);
        break;
      case "reference":
        readNullType(reader);
        break;
      default:
        unreachable(immediate);
    }
  }

  #prefixed(at: number, prefix: number): void {
    const reader = this.#reader;
    const opcode = reader.u32();
    if (prefix === op.vectorPrefix) {
      const immediate = vectorImmediateOf(opcode);
      if (immediate === null) this.#refuse(prefix, opcode, at);
      this.#skip(immediate);
      if (this.#canonicalNans) this.#canonicalize(nanPatchOfVector(opcode));
      return;
    }
    const immediate = bulkImmediateOf(opcode);
    if (immediate === null) this.#refuse(prefix, opcode, at);
    if (immediate === "none" || immediate === "table") return this.#skip(immediate);
    if (immediate === "data") this.#check(reader.u32(), this.#module.dataCount ?? 0, "data segment");
    this.#memory();
    if (immediate === "copy") this.#memory();
    this.usesBulk = true;
    this.patches.add(at, 0, patchKinds.bulk, 0);
  }

  #block(opcode: number): void {
    const at = this.#reader.offset;
    const type = this.#reader.s33();
    if (type >= 0) {
      this.#check(type, this.#module.types.length, "type");
    } else if (type !== -0x40) {
      this.#reader.offset = at;
      readValueType(this.#reader);
    }
    if (this.#fuel.depth >= moduleLimits.nesting) {
      refuse(
        `function ${this.#index} nests more than ${moduleLimits.nesting} blocks (offset ${at}); split it`,
      );
    }
    if (++this.#blocks > moduleLimits.blocks) {
      refuse(`it has more than ${moduleLimits.blocks} blocks, loops and ifs; make it smaller`);
    }
    this.#fuel.enter(opcode);
  }

  #label(): void {
    const label = this.#reader.u32();
    this.#check(label, this.#fuel.depth + 1, "label");
    this.#fuel.branch(label);
  }

  #labels(): void {
    const count = this.#reader.count("branch targets", moduleLimits.branchTargets);
    for (let i = 0; i <= count; i++) this.#label();
    this.#fuel.stop();
  }

  #return(at: number): void {
    // One that is never reached may stay: it is valid in the wrapper block too.
    if (this.#fuel.live) this.patches.add(at, 1, patchKinds.return, this.#fuel.depth);
    this.#fuel.return();
  }

  #function(at: number, opcode: number): void {
    const start = this.#reader.offset;
    const index = this.#reader.u32();
    this.#check(index, functionCount(this.#module), "function");
    const imported = index < this.#module.imports.length;
    if (opcode === op.refFunc) {
      this.referenced.add(index);
      if (imported) this.patches.add(start, this.#reader.offset - start, patchKinds.reference, index);
      return;
    }
    if (imported) this.#fuel.add(at, hostCallFuel(this.#module.imports[index]?.name ?? ""));
    if (opcode === op.returnCall) return this.#tail(at);
    if (!imported) this.calls = true;
  }

  #indirect(at: number, opcode: number): void {
    this.#check(this.#reader.u32(), this.#module.types.length, "type");
    this.#check(this.#reader.u32(), this.#module.tables, "table");
    if (opcode === op.returnCallIndirect) this.#tail(at);
    else this.calls = true;
  }

  #tail(at: number): void {
    this.calls = true;
    this.patches.add(at, 0, patchKinds.tail, 0);
    this.#fuel.return();
  }

  #memory(): void {
    const at = this.#reader.offset;
    if (this.#reader.u8() !== 0) refuseFeature("multi_memory", { offset: at, index: this.#index });
    if (this.#module.memory === null) malformed("memory is used but there is none", at);
  }

  #address(): void {
    const at = this.#reader.offset;
    if (this.#reader.u32() >= 0x40) refuseFeature("multi_memory", { offset: at, index: this.#index });
    this.#reader.skipLeb(5);
  }

  #canonicalize(kind: number | null): void {
    if (kind !== null && !this.#feedsFloat()) this.patches.add(this.#reader.offset, 0, kind, 0);
  }

  /** The result goes straight into an operation that makes its own canonical NaN, or none at all. */
  #feedsFloat(): boolean {
    const next = this.#module.bytes[this.#reader.offset] ?? 0;
    return nanPatchOf(next) !== null || (next >= op.f32Eq && next <= 0x66);
  }

  #check(index: number, count: number, what: string): void {
    if (index >= count) {
      malformed(`function ${this.#index} uses ${what} ${index} of ${count}`, this.#reader.offset);
    }
  }

  #refuse(prefix: number, opcode: number, offset: number): never {
    const refused = refusedInstruction(prefix, opcode);
    return refuseFeature(refused.feature, { offset, index: this.#index, instruction: refused.name });
  }
}
