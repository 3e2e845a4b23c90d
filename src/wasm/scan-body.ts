/**
 * Reads one function's instructions once, checks every index against the guest's own spaces (so
 * that no guest reaches what the rewriter adds), and notes what has to change. Fuel is summed for
 * each basic block: a run of instructions that is entered at its top and left only at its end.
 */
import { present, unreachable } from "../base/assert.ts";
import { fuelPrices, moduleLimits } from "./limits.ts";
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

  readonly #module: ParsedModule;
  readonly #canonicalNans: boolean;
  #reader: ModuleReader;
  #index = 0;
  /** Blocks that are open: opcode, and 1 when the block was entered by reachable code. */
  readonly #blocks: number[] = [];
  /** Patch of the open basic block, -1 between two. */
  #open = -1;
  #live = true;
  #entry_fuel = 0;

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
    this.#blocks.length = 0;
    this.#open = -1;
    this.#live = true;
    this.calls = false;
    this.usesBulk = false;
    this.#readLocals();
    this.code = reader.offset;
    for (;;) {
      const at = reader.offset;
      const opcode = reader.u8();
      if (opcode === op.end) {
        if (this.#blocks.length === 0) break;
        this.#end();
      } else if (opcode === op.else) {
        this.#else(at);
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
    this.#entry_fuel = Math.floor(this.locals / fuelPrices.localsPerUnit);
  }

  #instruction(at: number, opcode: number): void {
    this.#charge(at, 1);
    const immediate = immediateOf(opcode);
    if (immediate === null) this.#refuse(0, opcode, at);
    switch (immediate) {
      case "none":
        if (opcode === op.unreachable) this.#leave();
        else if (opcode === op.return) this.#return(at);
        else if (this.#canonicalNans) this.#canonicalize(nanPatchOf(opcode));
        break;
      case "block":
        this.#block(opcode);
        break;
      case "label":
        this.#label();
        this.#open = -1;
        if (opcode === op.br) this.#leave();
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
    if (this.#blocks.length / 2 >= moduleLimits.nesting) {
      refuse(
        `function ${this.#index} nests more than ${moduleLimits.nesting} blocks (offset ${at}); split it`,
      );
    }
    this.#blocks.push(opcode, this.#live ? 1 : 0);
    // A loop's head and both arms of an `if` are entered from elsewhere; a block's top only from above.
    if (opcode !== op.block) this.#open = -1;
  }

  #end(): void {
    const live = present(this.#blocks.pop(), "the block's liveness") === 1;
    const opcode = this.#blocks.pop();
    // After a loop the code goes on only by falling through, so its basic block does too.
    if (opcode === op.loop) return;
    this.#live = live;
    this.#open = -1;
  }

  #else(at: number): void {
    const top = this.#blocks.length - 2;
    if (top < 0 || this.#blocks[top] !== op.if) malformed("else without if", at);
    this.#blocks[top] = op.else;
    this.#live = this.#blocks[top + 1] === 1;
    this.#open = -1;
  }

  #label(): void {
    this.#check(this.#reader.u32(), this.#blocks.length / 2 + 1, "label");
  }

  #labels(): void {
    const count = this.#reader.count("branch targets", moduleLimits.branchTargets);
    for (let i = 0; i <= count; i++) this.#label();
    this.#leave();
  }

  #return(at: number): void {
    this.patches.add(at, 1, patchKinds.return, this.#blocks.length / 2);
    this.#leave();
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
    if (imported) this.#charge(at, fuelPrices.hostCall);
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
    this.#leave();
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

  /** Adds to the open basic block, or opens one here; unreachable code costs nothing. */
  #charge(at: number, fuel: number): void {
    if (!this.#live) return;
    if (this.#open < 0) {
      this.#open = this.patches.add(at, 0, patchKinds.charge, this.#entry_fuel);
      this.#entry_fuel = 0;
    }
    this.patches.addValue(this.#open, fuel);
  }

  /** Control does not go on to the next instruction. */
  #leave(): void {
    this.#live = false;
    this.#open = -1;
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
