/** Anything that a command throws, as one line for standard error and an exit code. */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { printable } from "./table.ts";

/** Wrong usage, as found by the CLI itself. */
export const usageExit = 2;

export function exitCodeOf(thrown: unknown): number {
  return thrown instanceof CaxtonError ? thrown.exit : 1;
}

/** `error: …`; a refused configuration has a line for each of its problems. */
export function failureText(thrown: unknown): string {
  if (thrown instanceof CaxtonError && thrown.code === "invalid_config") {
    return thrown.message
      .split("\n")
      .map((line) => `error: ${printable(line)}`)
      .join("\n");
  }
  const lines = reasonOf(thrown)
    .split("\n")
    .map((line) => line.trim());
  return `error: ${printable(lines.filter((line) => line !== "").join("; "))}`;
}
