/**
 * Files that hold a secret: mode 0600, replaced whole (a reader sees the old or the new, never a
 * part), on disk before the call returns, and refused when others may read them.
 */
import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { CaxtonError, reasonOf } from "../base/errors.ts";

const secret_bytes_max = 64 * 1024;

/** The bytes, or undefined when there is no such file. Throws `CaxtonError("invalid_config")` when it is open to others. */
export async function readSecretFile(path: string): Promise<Uint8Array | undefined> {
  let file;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return undefined;
    throw new CaxtonError("storage_failed", `Cannot read ${JSON.stringify(path)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  try {
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, "0");
      throw new CaxtonError(
        "invalid_config",
        `${JSON.stringify(path)} is open to other users (mode ${shown}): chmod 600 it`,
      );
    }
    if (size > secret_bytes_max) {
      throw new CaxtonError(
        "data_corrupt",
        `${JSON.stringify(path)} is larger than ${secret_bytes_max} bytes`,
      );
    }
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

/** Replaces the file atomically. Throws `CaxtonError` (`disk_full`, `storage_failed`), and then the old one is still there. */
export async function writeSecretFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    const code = (error as { code?: unknown }).code === "ENOSPC" ? "disk_full" : "storage_failed";
    throw new CaxtonError(code, `Cannot write ${JSON.stringify(path)}: ${reasonOf(error)}`, { cause: error });
  }
}

/** The rename itself must survive a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
