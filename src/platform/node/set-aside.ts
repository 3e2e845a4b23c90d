/** Keeps a database that must not be used any more, for inspection, under another name. */
import { existsSync, renameSync, rmSync } from "node:fs";

/** The database and what the engine keeps beside it; one of each is kept, the latest. It must be closed. */
export function setAside(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    const target = `${path}.set-aside${suffix}`;
    rmSync(target, { force: true });
    if (existsSync(path + suffix)) renameSync(path + suffix, target);
  }
}
