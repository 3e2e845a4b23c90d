/**
 * Sums fuel while one body is scanned. A charge stands where code is entered that does not run
 * exactly as often as the code before it: a loop's head, an arm of an `if`, what follows a branch,
 * and what follows a block that branches leave. All else is added to the charge that stands, so the
 * sum is exact for every run that does not trap.
 */
import { agentMost } from "../wire/agent-spec.ts";
import { fuelPrices } from "./limits.ts";
import { op } from "./opcodes.ts";
import { patchKinds } from "./patches.ts";
import type { PatchList } from "./patches.ts";

interface Frame {
  opcode: number;
  /** It was entered by reachable code. */
  readonly live: boolean;
  /** The charge that stood when it was entered: what follows runs as often, if no branch leaves the frame. */
  readonly charge: number;
  /** The outermost frame that a branch inside goes to; -1 is the function's end. */
  outermost: number;
}

/**
 * Units of a charge whose patch holds this value: parts of a unit are summed, then rounded up. Never more than a call
 * may have: a million host calls in a row would not fit the counter.
 */
export function chargedFuel(parts: number): number {
  return Math.min(agentMost.fuel, Math.ceil(parts / fuelPrices.blocksPerUnit));
}

export class FuelBlocks {
  readonly #patches: PatchList;
  readonly #frames: Frame[] = [];
  /** The patch of the charge that stands, -1 when the next instruction makes a new one. */
  #charge = -1;
  #live = true;
  #entry_fuel = 0;

  constructor(patches: PatchList) {
    this.#patches = patches;
  }

  /** Begins a function with this many locals. */
  begin(locals: number): void {
    this.#frames.length = 0;
    this.#charge = -1;
    this.#live = true;
    this.#entry_fuel = Math.floor(locals / fuelPrices.localsPerUnit);
  }

  /** Open frames, without the function's own. */
  get depth(): number {
    return this.#frames.length;
  }

  /** The next instruction can be reached. */
  get live(): boolean {
    return this.#live;
  }

  /** The innermost frame is an `if` without `else` so far. */
  get inThen(): boolean {
    return this.#frames.at(-1)?.opcode === op.if;
  }

  /** The instruction at `at` costs `fuel`; unreachable code costs nothing. */
  add(at: number, fuel: number): void {
    this.#add(at, fuel * fuelPrices.blocksPerUnit);
  }

  /** At a `block`. */
  addBlock(at: number): void {
    this.#add(at, 1);
  }

  #add(at: number, parts: number): void {
    if (!this.#live) return;
    if (this.#charge < 0) {
      this.#charge = this.#patches.add(at, 0, patchKinds.charge, this.#entry_fuel * fuelPrices.blocksPerUnit);
      this.#entry_fuel = 0;
    }
    this.#patches.addValue(this.#charge, parts);
  }

  /** Behind `block`, `loop` or `if`. */
  enter(opcode: number): void {
    const outermost = this.#frames.length;
    this.#frames.push({ opcode, live: this.#live, charge: this.#charge, outermost });
    if (opcode !== op.block) this.#charge = -1;
  }

  /** At the `else` of the innermost frame. */
  else(): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined) return;
    frame.opcode = op.else;
    this.#live = frame.live;
    this.#charge = -1;
  }

  /** At the `end` of the innermost frame. */
  end(): void {
    const frame = this.#frames.pop();
    if (frame === undefined) return;
    const index = this.#frames.length;
    const parent = this.#frames.at(-1);
    if (parent !== undefined) parent.outermost = Math.min(parent.outermost, frame.outermost);
    const left = frame.outermost < index;
    if (!left) this.#charge = frame.charge;
    else if (frame.opcode !== op.loop) this.#charge = -1;
    // Behind a loop the code goes on only by falling through; behind others also by a branch to their end.
    if (frame.opcode !== op.loop) this.#live = frame.live;
  }

  /** A branch to `label`; whether control also goes on makes no difference to what is charged. */
  branch(label: number): void {
    const frame = this.#frames.at(-1);
    if (frame !== undefined) frame.outermost = Math.min(frame.outermost, this.#frames.length - 1 - label);
    this.#charge = -1;
  }

  /** Control leaves the function. */
  return(): void {
    this.branch(this.#frames.length);
    this.stop();
  }

  /** Control does not go on to the next instruction. */
  stop(): void {
    this.#live = false;
    this.#charge = -1;
  }
}
