/** The smallest test frame: `deno test` runs these files, which import neither vitest nor a package. */

declare const Deno: { test(name: string, run: () => void | Promise<void>): void };

export function smoke(name: string, run: () => void | Promise<void>): void {
  Deno.test(name, run);
}

/** Compares by JSON: for plain data. */
export function same(actual: unknown, expected: unknown): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`Expected ${right}, got ${left}`);
}
