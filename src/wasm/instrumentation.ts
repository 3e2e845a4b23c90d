/**
 * The indices of what the rewriter adds behind the guest's own types, functions and globals, and
 * the short code sequences that use them.
 */
import { fuelPrices } from "./limits.ts";
import type { ModuleWriter } from "./module-writer.ts";
import { op } from "./opcodes.ts";
import { functionCount } from "./parsed-module.ts";
import type { ParsedModule } from "./parsed-module.ts";

/** Globals, all mutable i32, in this order behind the guest's. */
const globalNames = ["fuel", "depth", "reason", "refused", "pages", "granted"] as const;
export type AddedGlobal = (typeof globalNames)[number];

/** Functions in this order behind the guest's; the metered doubles of the imports follow. */
export const helperNames = [
  "outOfFuel",
  "exhausted",
  "tooMuchMemory",
  "charge",
  "grow",
  "enter",
  "fuelLeft",
  "trapReason",
  "slotGet",
  "slotSet",
] as const;
export type Helper = (typeof helperNames)[number];

export interface Layout {
  global(name: AddedGlobal): number;
  helper(name: Helper): number;
  /** The function to refer to instead of `index`, which may be an import. */
  reference(index: number): number;
}

export const addedGlobals = globalNames.length;

export function layoutOf(module: ParsedModule): Layout {
  const globals = module.globals.length;
  const functions = functionCount(module);
  return {
    global: (name) => globals + globalNames.indexOf(name),
    helper: (name) => functions + helperNames.indexOf(name),
    reference: (index) => (index < module.imports.length ? functions + helperNames.length + index : index),
  };
}

/** What takes a constant amount of fuel or depth, ready to be written many times. */
export class MeterCode {
  readonly #fuel: number;
  readonly #depth: number;
  readonly #outOfFuel: number;
  readonly #exhausted: number;
  readonly #charge: number;

  constructor(layout: Layout) {
    this.#fuel = layout.global("fuel");
    this.#depth = layout.global("depth");
    this.#outOfFuel = layout.helper("outOfFuel");
    this.#exhausted = layout.helper("exhausted");
    this.#charge = layout.helper("charge");
  }

  /** Takes `units` of fuel; traps with kind `fuel` when there are fewer. */
  takeFuel(out: ModuleWriter, units: number): void {
    this.#take(out, this.#fuel, units, this.#outOfFuel);
  }

  /** Takes fuel and depth with one check, on entering a function; traps with the kind that is short. */
  enter(out: ModuleWriter, fuel: number, depth: number): void {
    this.#add(out, this.#fuel, fuel, op.i32Sub);
    this.#add(out, this.#depth, depth, op.i32Sub);
    out.u8(op.globalGet);
    out.u32(this.#fuel);
    out.u8(op.globalGet);
    out.u32(this.#depth);
    out.bytes([op.i32Or, op.i32Const, 0, op.i32Lt, op.if, emptyBlock, op.call]);
    out.u32(this.#exhausted);
    out.bytes([op.unreachable, op.end]);
  }

  giveDepth(out: ModuleWriter, units: number): void {
    this.#add(out, this.#depth, units, op.i32Add);
  }

  /** Charges for the bytes whose number is on top of the stack, and leaves it there. */
  takeFuelForBytes(out: ModuleWriter, temporary: number): void {
    out.u8(op.localTee);
    out.u32(temporary);
    out.u8(op.localGet);
    out.u32(temporary);
    out.u8(op.i32Const);
    out.s32(fuelPrices.bulkShift);
    out.u8(op.i32ShrU);
    out.u8(op.call);
    out.u32(this.#charge);
  }

  #take(out: ModuleWriter, global: number, units: number, otherwise: number): void {
    out.u8(op.globalGet);
    out.u32(global);
    out.u8(op.i32Const);
    out.s32(units);
    out.u8(op.i32Lt);
    out.u8(op.if);
    out.u8(emptyBlock);
    out.u8(op.call);
    out.u32(otherwise);
    out.u8(op.unreachable);
    out.u8(op.end);
    this.#add(out, global, units, op.i32Sub);
  }

  #add(out: ModuleWriter, global: number, units: number, operation: number): void {
    out.u8(op.globalGet);
    out.u32(global);
    out.u8(op.i32Const);
    out.s32(units);
    out.u8(operation);
    out.u8(op.globalSet);
    out.u32(global);
  }
}

/** The block type without parameters and results. */
export const emptyBlock = 0x40;
