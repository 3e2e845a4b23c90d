/** Writes one instrumented function body from what the scanner noted. */
import { unreachable } from "../base/assert.ts";
import { valueTypes } from "./abi.ts";
import { chargedFuel } from "./fuel-blocks.ts";
import { emptyBlock, MeterCode } from "./instrumentation.ts";
import type { Layout } from "./instrumentation.ts";
import { localsPerDepth, moduleLimits } from "./limits.ts";
import { ModuleReader } from "./module-reader.ts";
import { ModuleWriter } from "./module-writer.ts";
import { op } from "./opcodes.ts";
import { functionType } from "./parsed-module.ts";
import type { ByteRange, FunctionType, ParsedModule } from "./parsed-module.ts";
import { patchKinds } from "./patches.ts";
import { refuse } from "./refusal.ts";
import type { BodyScanner } from "./scan-body.ts";

/** Adds a type `() -> results` to the module being written and returns its index. */
export type ResultTypes = (results: Uint8Array) => number;

/** Locals that one body needs beside the guest's, by value type. */
type Temporaries = Map<number, number>;

export class BodyRewriter {
  readonly #module: ParsedModule;
  readonly #layout: Layout;
  readonly #meter: MeterCode;
  readonly #resultType: ResultTypes;
  readonly #body = new ModuleWriter(4_096);

  constructor(module: ParsedModule, layout: Layout, resultType: ResultTypes) {
    this.#module = module;
    this.#layout = layout;
    this.#meter = new MeterCode(layout);
    this.#resultType = resultType;
  }

  /** Writes function `index`, which `scanner` has just scanned, with its size in front. */
  write(out: ModuleWriter, index: number, body: ByteRange, scanner: BodyScanner): void {
    const target = this.#body;
    target.clear();
    const temporaries = this.#locals(target, body, scanner);
    const depth = 1 + Math.floor(scanner.locals / localsPerDepth);
    if (scanner.calls) {
      this.#meter.enter(target, scanner.entryFuel, depth);
      target.u8(op.block);
      this.#blockType(target, functionType(this.#module, index));
    }
    this.#code(target, body, scanner, temporaries, depth);
    if (scanner.calls) {
      this.#meter.giveDepth(target, depth);
      target.u8(op.end);
    }
    if (target.length > moduleLimits.body_bytes) {
      refuse(`function ${index} grows to ${target.length} bytes when it is metered; split it`);
    }
    out.sized(null, target);
  }

  /** The guest's locals, then ours. */
  #locals(out: ModuleWriter, body: ByteRange, scanner: BodyScanner): Temporaries {
    const temporaries: Temporaries = new Map();
    const patches = scanner.patches;
    // JSC (measured in Bun 1.4.5) leaves a loop in its interpreter, 50 times slower, when its function has no local.
    if (scanner.usesBulk || scanner.locals === 0) temporaries.set(valueTypes.i32, 0);
    for (let i = 0; i < patches.length; i++) {
      const type = nanTypes[patches.kind(i)];
      if (type !== undefined) temporaries.set(type, 0);
    }
    const reader = new ModuleReader(this.#module.bytes, body.start, scanner.code);
    out.u32(reader.u32() + temporaries.size);
    out.range(this.#module.bytes, reader.offset, scanner.code);
    let next = scanner.locals;
    for (const type of temporaries.keys()) {
      out.u32(1);
      out.u8(type);
      temporaries.set(type, next++);
    }
    return temporaries;
  }

  #blockType(out: ModuleWriter, type: FunctionType): void {
    if (type.results.length === 0) out.u8(emptyBlock);
    else if (type.results.length === 1) out.u8(type.results[0] as number);
    else out.s32(this.#resultType(type.results));
  }

  #code(
    out: ModuleWriter,
    body: ByteRange,
    scanner: BodyScanner,
    temporaries: Temporaries,
    depth: number,
  ): void {
    const bytes = this.#module.bytes;
    const patches = scanner.patches;
    let from = scanner.code;
    for (let i = 0; i < patches.length; i++) {
      const kind = patches.kind(i);
      const value = patches.value(i);
      if (kind === patchKinds.return && !scanner.calls) continue;
      if (i === 0 && scanner.calls && kind === patchKinds.charge) continue;
      const at = patches.at(i);
      out.range(bytes, from, at);
      from = at + patches.replaced(i);
      if (kind === patchKinds.charge) this.#meter.takeFuel(out, chargedFuel(value));
      else if (kind === patchKinds.tail) this.#meter.giveDepth(out, depth);
      else this.#patch(out, kind, value, temporaries);
    }
    out.range(bytes, from, body.end);
  }

  #patch(out: ModuleWriter, kind: number, value: number, temporaries: Temporaries): void {
    switch (kind) {
      case patchKinds.return:
        out.u8(op.br);
        out.u32(value);
        break;
      case patchKinds.grow:
        out.u8(op.call);
        out.u32(this.#layout.helper("grow"));
        break;
      case patchKinds.size:
        out.u8(op.globalGet);
        out.u32(this.#layout.global("pages"));
        break;
      case patchKinds.bulk:
        this.#meter.takeFuelForBytes(out, temporaries.get(valueTypes.i32) ?? 0);
        break;
      case patchKinds.reference:
        out.u32(this.#layout.reference(value));
        break;
      case patchKinds.nan_f32:
      case patchKinds.nan_f64:
      case patchKinds.nan_f32x4:
      case patchKinds.nan_f64x2:
        canonicalNan(out, kind, temporaries.get(nanTypes[kind] as number) ?? 0);
        break;
      default:
        unreachable(kind as never);
    }
  }
}

const nanTypes: Readonly<Record<number, number>> = {
  [patchKinds.nan_f32]: valueTypes.f32,
  [patchKinds.nan_f64]: valueTypes.f64,
  [patchKinds.nan_f32x4]: valueTypes.v128,
  [patchKinds.nan_f64x2]: valueTypes.v128,
};

const nan_f32 = [0x00, 0x00, 0xc0, 0x7f];
const nan_f64 = [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x7f];

/** `x == x ? x : NaN` for the value on top of the stack, lane by lane for vectors. */
function canonicalNan(out: ModuleWriter, kind: number, temporary: number): void {
  const get = (): void => {
    out.u8(op.localGet);
    out.u32(temporary);
  };
  out.u8(op.localTee);
  out.u32(temporary);
  if (kind === patchKinds.nan_f32) out.bytes([op.f32Const, ...nan_f32]);
  else if (kind === patchKinds.nan_f64) out.bytes([op.f64Const, ...nan_f64]);
  else if (kind === patchKinds.nan_f32x4) {
    out.bytes([op.vectorPrefix, 0x0c, ...nan_f32, ...nan_f32, ...nan_f32, ...nan_f32]);
  } else out.bytes([op.vectorPrefix, 0x0c, ...nan_f64, ...nan_f64]);
  get();
  get();
  if (kind === patchKinds.nan_f32) out.bytes([op.f32Eq, op.select]);
  else if (kind === patchKinds.nan_f64) out.bytes([op.f64Eq, op.select]);
  // f32x4.eq is 0x41, f64x2.eq 0x47, v128.bitselect 0x52.
  else out.bytes([op.vectorPrefix, kind === patchKinds.nan_f32x4 ? 0x41 : 0x47, op.vectorPrefix, 0x52]);
}
