/** A new empty directory for one test, under the system's own; removed by the caller's `afterEach`. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function temporaryDirectory(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `caxton-${name}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
