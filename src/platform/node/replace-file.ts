/** Replaces a small file as a whole: after a crash at any moment it is the old one or the new one, never half. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Readable by its owner only. Throws what the file system does, with the old file untouched. */
export function replaceFile(file: string, text: string): void {
  const next = `${file}.new`;
  try {
    // One that a crash left, or a link that somebody put there: neither is written to.
    rmSync(next, { force: true });
    const descriptor = openSync(next, "wx", 0o600);
    try {
      const bytes = new TextEncoder().encode(text);
      for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(next, file);
  } catch (thrown) {
    rmSync(next, { force: true });
    throw thrown;
  }
  syncDirectory(dirname(file));
}

/** The rename itself is durable only then. */
function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
