/**
 * Before `node`, `caxton` and `test`: makes sure that the packages of `bun.lock` are there. Runs
 * when nothing is installed yet, so it imports only the runtime's own modules; a few milliseconds
 * when there is nothing to do. No part of a running node.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A lock older than this was left by an install that was killed. */
const abandonedLock_ms = 5 * 60_000;
const waitForOther_ms = 250;
const outputLimit_bytes = 16 * 1024 * 1024;

export type InstallOutcome = "current" | "installed" | "failed";

/**
 * Installs into `root` unless its last install was of the same lock file. `install` runs the
 * package manager there and returns whether it succeeded.
 */
export function ensureInstalled(root: string, install: (root: string) => boolean): InstallOutcome {
  const marker = join(root, "node_modules", ".caxton-installed");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "bun.lock")))
    .update(readFileSync(join(root, "package.json")))
    .digest("hex");
  const current = (): boolean => existsSync(marker) && readFileSync(marker, "utf8") === wanted;
  if (current()) return "current";
  const lock = join(root, ".caxton-install.lock");
  takeLock(lock);
  try {
    // Another process may have installed while this one waited.
    if (current()) return "current";
    if (!install(root)) return "failed";
    writeFileSync(marker, wanted);
    return "installed";
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Waits while another process installs into the same folder. */
function takeLock(lock: string): void {
  for (;;) {
    try {
      closeSync(openSync(lock, "wx"));
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const since_ms = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (since_ms !== undefined && Date.now() - since_ms > abandonedLock_ms) rmSync(lock, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, waitForOther_ms);
  }
}

/** To stderr, because stdout belongs to the command that runs next; what the installer says only when it failed. */
function bunInstall(root: string): boolean {
  console.error("Installing dependencies (once; again when bun.lock changes) …");
  const { status, stdout, stderr } = spawnSync(process.execPath, ["install", "--frozen-lockfile"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    maxBuffer: outputLimit_bytes,
  });
  if (status !== 0) console.error(`${stdout}${stderr}`);
  return status === 0;
}

if (import.meta.main) {
  try {
    if (ensureInstalled(join(import.meta.dirname, "..", "..", ".."), bunInstall) === "failed") {
      console.error(
        "Cannot install dependencies: see above; run it again when the npm registry is reachable.",
      );
      process.exitCode = 1;
    }
  } catch (error) {
    console.error(`Cannot install dependencies: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
