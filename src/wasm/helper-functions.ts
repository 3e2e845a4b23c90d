/**
 * The functions that the rewriter adds: the traps with their reason, the meter, growth of memory,
 * what the host calls, the snapshot's slots, and a metered double of each import.
 */
import { unreachable } from "../base/assert.ts";
import { hostCallFuel, valueTypes } from "./abi.ts";
import { emptyBlock } from "./instrumentation.ts";
import type { Helper, Layout } from "./instrumentation.ts";
import { fuelPrices, page_bytes, refusedGrowthLimit } from "./limits.ts";
import { ModuleWriter } from "./module-writer.ts";
import { op } from "./opcodes.ts";
import type { FunctionType, ParsedModule } from "./parsed-module.ts";
import { trapReasons } from "./trap.ts";

const { i32, i64, f32, f64, v128 } = valueTypes;

const signatures: Readonly<Record<Helper, readonly [readonly number[], readonly number[]]>> = {
  outOfFuel: [[], []],
  exhausted: [[], []],
  tooMuchMemory: [[], []],
  charge: [[i32], []],
  grow: [[i32], [i32]],
  enter: [[i32, i32, i32], []],
  fuelLeft: [[], [i32]],
  trapReason: [[], [i32]],
  slotGet: [[i32], [i64]],
  slotSet: [[i32, i64], []],
};

export function helperType(helper: Helper): FunctionType {
  const [params, results] = signatures[helper];
  return { params: Uint8Array.from(params), results: Uint8Array.from(results) };
}

/** Instructions as bytes, with the few forms that the helpers need. */
class Code {
  readonly out = new ModuleWriter(256);
  readonly #layout: Layout;

  constructor(layout: Layout, locals_i32: number) {
    this.#layout = layout;
    if (locals_i32 === 0) this.out.u8(0);
    else this.out.bytes([1, locals_i32, i32]);
  }

  ops(...opcodes: number[]): this {
    this.out.bytes(opcodes);
    return this;
  }

  constant(value: number): this {
    this.out.u8(op.i32Const);
    this.out.s32(value);
    return this;
  }

  local(opcode: number, index: number): this {
    this.out.u8(opcode);
    this.out.u32(index);
    return this;
  }

  get(name: Parameters<Layout["global"]>[0]): this {
    return this.local(op.globalGet, this.#layout.global(name));
  }

  set(name: Parameters<Layout["global"]>[0]): this {
    return this.local(op.globalSet, this.#layout.global(name));
  }

  call(helper: Helper): this {
    return this.local(op.call, this.#layout.helper(helper));
  }

  end(): ModuleWriter {
    this.out.u8(op.end);
    return this.out;
  }
}

/** A helper's body without its size. */
export function helperBody(
  helper: Helper,
  module: ParsedModule,
  layout: Layout,
  maximum_pages: number,
): ModuleWriter {
  const code = new Code(layout, helper === "grow" ? 3 : 0);
  switch (helper) {
    case "outOfFuel":
      return code.constant(0).set("fuel").constant(trapReasons.fuel).set("reason").ops(op.unreachable).end();
    case "exhausted":
      code.get("depth").constant(0).ops(op.i32Lt, op.if, emptyBlock);
      code.constant(trapReasons.callDepth).set("reason").ops(op.unreachable, op.end);
      return code.call("outOfFuel").end();
    case "tooMuchMemory":
      return code.constant(trapReasons.memory).set("reason").ops(op.unreachable).end();
    case "charge":
      code.get("fuel").local(op.localGet, 0).ops(op.i32LtU, op.if, emptyBlock).call("outOfFuel").ops(op.end);
      return code.get("fuel").local(op.localGet, 0).ops(op.i32Sub).set("fuel").end();
    case "grow":
      return growBody(code, maximum_pages);
    case "enter":
      code.local(op.localGet, 0).set("fuel").local(op.localGet, 1).set("depth");
      code.local(op.localGet, 2).set("granted");
      return code.constant(0).set("reason").constant(0).set("refused").end();
    case "fuelLeft":
      return code.get("fuel").end();
    case "trapReason":
      code.constant(trapReasons.growthRefused).constant(0).get("refused").ops(op.select);
      return code.get("reason").ops(op.i32Or).end();
    case "slotGet":
    case "slotSet":
      return slotBody(code, helper, module, layout);
    default:
      return unreachable(helper);
  }
}

/**
 * `memory.grow` on the guest's own page count. JSC copies a memory whenever it grows, so the real
 * one doubles ahead of the guest, within what the host has granted; the guest sees exactly the sizes it asked for.
 */
function growBody(code: Code, maximum_pages: number): ModuleWriter {
  const [delta, wanted, real, target] = [0, 1, 2, 3];
  const get = (local: number): Code => code.local(op.localGet, local);
  const refused = (): void => {
    code.get("refused").constant(1).ops(op.i32Add).set("refused");
    code.get("refused").constant(refusedGrowthLimit).ops(op.i32GtU, op.if, emptyBlock).call("tooMuchMemory");
    code.ops(op.end).constant(-1).ops(op.return);
  };
  get(delta).constant(maximum_pages).get("pages").ops(op.i32Sub, op.i32GtU, op.if, emptyBlock);
  refused();
  code.ops(op.end).get("pages");
  get(delta).ops(op.i32Add).local(op.localSet, wanted);
  code.ops(op.memorySize, 0).local(op.localSet, real);
  get(wanted);
  get(real).ops(op.i32GtU, op.if, emptyBlock);
  get(wanted).get("granted").ops(op.i32GtU, op.if, emptyBlock);
  refused();
  code.ops(op.end);
  // target = min(granted, maximum, max(wanted, 2 × real))
  get(wanted);
  get(real).constant(1).ops(op.i32Shl).local(op.localTee, target);
  get(wanted);
  get(target).ops(op.i32GtU, op.select).local(op.localSet, target);
  get(target).constant(maximum_pages);
  get(target).constant(maximum_pages).ops(op.i32LtU, op.select).local(op.localSet, target);
  get(target).get("granted");
  get(target).get("granted").ops(op.i32LtU, op.select).local(op.localSet, target);
  get(target)
    .constant(Math.log2(page_bytes) - fuelPrices.bulkShift)
    .ops(op.i32Shl)
    .call("charge");
  get(target);
  get(real).ops(op.i32Sub, op.memoryGrow, 0).constant(-1).ops(op.i32Eq, op.if, emptyBlock);
  get(wanted);
  get(real).ops(op.i32Sub, op.memoryGrow, 0).constant(-1).ops(op.i32Eq, op.if, emptyBlock);
  refused();
  code.ops(op.end, op.end, op.end).get("pages");
  get(wanted).set("pages");
  return code.end();
}

/** One 64-bit slot of a snapshot: a global, or half of a vector. */
export interface Slot {
  readonly global: number;
  readonly type: number;
  readonly lane: 0 | 1;
}

/** Slot 0 is the page count; then the guest's mutable globals in order. */
export function slotsOf(module: ParsedModule, layout: Layout): Slot[] {
  const slots: Slot[] = [{ global: layout.global("pages"), type: i32, lane: 0 }];
  for (const [global, { type, mutable }] of module.globals.entries()) {
    if (!mutable) continue;
    slots.push({ global, type, lane: 0 });
    if (type === v128) slots.push({ global, type, lane: 1 });
  }
  return slots;
}

/** i64x2.extract_lane and i64x2.replace_lane after the vector prefix. */
const extractLane = 0x1d;
const replaceLane = 0x1e;

const toBits: Readonly<Record<number, readonly number[]>> = {
  [i32]: [op.i64ExtendI32U],
  [i64]: [],
  [f32]: [op.i32ReinterpretF32, op.i64ExtendI32U],
  [f64]: [op.i64ReinterpretF64],
};
const fromBits: Readonly<Record<number, readonly number[]>> = {
  [i32]: [op.i32WrapI64],
  [i64]: [],
  [f32]: [op.i32WrapI64, op.f32ReinterpretI32],
  [f64]: [op.f64ReinterpretI64],
};

function slotBody(
  code: Code,
  helper: "slotGet" | "slotSet",
  module: ParsedModule,
  layout: Layout,
): ModuleWriter {
  for (const [index, slot] of slotsOf(module, layout).entries()) {
    code.local(op.localGet, 0).constant(index).ops(op.i32Eq, op.if, emptyBlock);
    if (helper === "slotGet") {
      code.local(op.globalGet, slot.global);
      if (slot.type === v128) code.ops(op.vectorPrefix, extractLane, slot.lane);
      else code.ops(...(toBits[slot.type] as number[]));
    } else {
      if (slot.type === v128) code.local(op.globalGet, slot.global);
      code.local(op.localGet, 1);
      if (slot.type === v128) code.ops(op.vectorPrefix, replaceLane, slot.lane);
      else code.ops(...(fromBits[slot.type] as number[]));
      code.local(op.globalSet, slot.global);
    }
    code.ops(op.return, op.end);
  }
  return code.ops(op.unreachable).end();
}

/** What stands in tables and references instead of import `index`: pays for the call, then makes it. */
export function meteredImport(index: number, name: string, type: FunctionType, layout: Layout): ModuleWriter {
  const code = new Code(layout, 0).constant(hostCallFuel(name)).call("charge");
  for (let i = 0; i < type.params.length; i++) code.local(op.localGet, i);
  return code.local(op.call, index).end();
}
