/**
 * Where log lines go outside tests: standard error, or a file that is appended to and can be
 * reopened after logrotate moved it away. A line that cannot be written is counted, not thrown.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { CaxtonError, reasonOf } from "../base/errors.ts";

export interface LogDestination {
  readonly write: (line: string) => void;
  /** Opens the path anew (after a rotation); keeps the old file when that fails. */
  readonly reopen: () => void;
  readonly close: () => void;
  /** Lines lost since the start (a full disk, a closed pipe). */
  readonly lost: () => number;
}

/** `path` null is standard error. Throws `CaxtonError("invalid_config")` when the file cannot be opened. */
export function openLogDestination(path: string | null): LogDestination {
  let descriptor = path === null ? 2 : open(path);
  let lost = 0;
  return {
    write: (line) => {
      try {
        writeSync(descriptor, `${line}\n`);
      } catch {
        lost += 1;
      }
    },
    reopen: () => {
      if (path === null) return;
      const fresh = open(path);
      closeSync(descriptor);
      descriptor = fresh;
    },
    close: () => {
      if (path !== null) closeSync(descriptor);
    },
    lost: () => lost,
  };
}

function open(path: string): number {
  try {
    return openSync(path, "a", 0o640);
  } catch (error) {
    throw new CaxtonError(
      "invalid_config",
      `Cannot open the log file ${JSON.stringify(path)}: ${reasonOf(error)}`,
      { cause: error },
    );
  }
}
