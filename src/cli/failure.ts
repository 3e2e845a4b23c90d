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

/** The same for programs, one line of JSON: a problem document (RFC 9457) with the exit code. */
export function failureJson(thrown: unknown): string {
  const known = thrown instanceof CaxtonError;
  return problemJson(known ? thrown : new CaxtonError("internal", reasonOf(thrown)), exitCodeOf(thrown));
}

/** Of a wrong command line, which is known by its text alone: `error: …`. */
export function usageJson(text: string): string {
  return problemJson(new CaxtonError("invalid_argument", text.replace(/^error: /, "")), usageExit);
}

function problemJson({ code, title, http, message, retryable }: CaxtonError, exit: number): string {
  const detail = message;
  return JSON.stringify({
    type: `urn:caxton:problem:${code}`,
    title,
    status: http,
    detail,
    code,
    retryable,
    exit,
  });
}
