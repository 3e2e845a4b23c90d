/**
 * What the rewriter changes in one function body, as a flat list in order of place: bytes in
 * between are copied as they are. One list is reused for all bodies.
 */

export const patchKinds = {
  /** Insert: take fuel, or trap; `value` is in the parts that `chargedFuel` adds up. */
  charge: 0,
  /** Replace `return` by a branch to the wrapper block, `value` labels out. Only where depth is counted. */
  return: 1,
  /** Insert before a tail call: give the depth back. */
  tail: 2,
  /** Replace memory.grow and memory.size. */
  grow: 3,
  size: 4,
  /** Insert before bulk memory: charge by the length on the stack. */
  bulk: 5,
  /** Replace a function index by that of its metered double. */
  reference: 6,
  /** Insert after a float operation: any NaN becomes the canonical one. */
  nan_f32: 7,
  nan_f64: 8,
  nan_f32x4: 9,
  nan_f64x2: 10,
} as const;

/** Numbers a patch takes in the list: where, how many bytes it replaces, kind, value. */
const width = 4;

export class PatchList {
  readonly #numbers: number[] = [];

  get length(): number {
    return this.#numbers.length / width;
  }

  clear(): void {
    this.#numbers.length = 0;
  }

  /** Returns the patch's position, for `addValue`. */
  add(at: number, replaced: number, kind: number, value: number): number {
    this.#numbers.push(at, replaced, kind, value);
    return this.#numbers.length / width - 1;
  }

  addValue(position: number, more: number): void {
    const index = position * width + 3;
    this.#numbers[index] = (this.#numbers[index] as number) + more;
  }

  at(position: number): number {
    return this.#numbers[position * width] as number;
  }

  replaced(position: number): number {
    return this.#numbers[position * width + 1] as number;
  }

  kind(position: number): number {
    return this.#numbers[position * width + 2] as number;
  }

  value(position: number): number {
    return this.#numbers[position * width + 3] as number;
  }
}
