/**
 * Assertions that stay on in production. A failed assertion is a bug in Caxton, never bad input:
 * input is parsed at the edge and refused with a `CaxtonError`.
 */

export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Throws `AssertionError` when `condition` is false. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new AssertionError(`Invariant broken: ${invariant}`);
}

/** Returns `value`, which the caller knows to be present; throws `AssertionError` when it is not. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new AssertionError(`Invariant broken: ${what} is missing`);
  return value;
}

/** Ends every switch over a discriminated union: reached only when a case was forgotten. */
export function unreachable(value: never): never {
  throw new AssertionError(`Unreachable case: ${JSON.stringify(value)}`);
}
