/** What work refuses with, as a value to compare. What is thrown otherwise is thrown on. */
import { CaxtonError } from "../../src/base/errors.ts";

const none = "nothing thrown";

/** Its code. */
export function codeOf(work: () => unknown): string {
  return errorOf(work)?.code ?? none;
}

/** Its code and its text: `conflict: …`. */
export function refusalOf(work: () => unknown): string {
  const error = errorOf(work);
  return error === null ? none : `${error.code}: ${error.message}`;
}

function errorOf(work: () => unknown): CaxtonError | null {
  try {
    work();
    return null;
  } catch (thrown) {
    if (thrown instanceof CaxtonError) return thrown;
    throw thrown;
  }
}
