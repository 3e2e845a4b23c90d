/** Reads a file that somebody named, and no more of it than its use allows: it may be a device, a pipe, or a mistake. */
import { closeSync, openSync, readSync } from "node:fs";
import { CaxtonError } from "../../base/errors.ts";
import { formatLimit } from "../../base/sizes.ts";

const standardInput = 0;
const first_bytes = 64 * 1024;
/** Standard input may be told to answer at once, with nothing yet. */
const again_ms = 10;

/** Its bytes. Throws the system's own error, or `payload_too_large`, both to be put behind "Cannot read …: ". */
export function readBounded(path: string | typeof standardInput, limit_bytes: number): Uint8Array {
  const file = path === standardInput ? standardInput : openSync(path, "r");
  try {
    let bytes = new Uint8Array(Math.min(first_bytes, limit_bytes + 1));
    let length = 0;
    for (;;) {
      if (length > limit_bytes)
        throw new CaxtonError("payload_too_large", `it is larger than ${formatLimit(limit_bytes)}`);
      if (length === bytes.length) {
        const larger = new Uint8Array(Math.min(2 * bytes.length, limit_bytes + 1));
        larger.set(bytes);
        bytes = larger;
      }
      const count = readSome(file, bytes, length);
      if (count === 0) return bytes.subarray(0, length);
      length += count;
    }
  } finally {
    if (file !== standardInput) closeSync(file);
  }
}

/** As `readBounded`, of a text file in UTF-8. */
export function readBoundedText(path: string, limit_bytes: number): string {
  return new TextDecoder().decode(readBounded(path, limit_bytes));
}

function readSome(file: number, bytes: Uint8Array, at: number): number {
  for (;;) {
    try {
      return readSync(file, bytes, at, bytes.length - at, null);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, again_ms);
    }
  }
}
