/** What came together is handed on one by one, and one that fails takes nothing from those after it. */

/** Throws, when all were handed on, what the handler threw; an `AggregateError` of what it threw more than once. */
export function handAll<T>(items: readonly T[], handler: (item: T) => void): void {
  const errors: unknown[] = [];
  for (const item of items) {
    try {
      handler(item);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, errors.map(String).join("; "));
}
