/** The modules of `src/` and `functions/` as they stand on disk, for the checks that read them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const repositoryRoot = join(import.meta.dirname, "..", "..");

/** Paths relative to the repository, with `/`, and their text. */
export function readSourceTree(): Map<string, string> {
  const sources = new Map<string, string>();
  for (const top of ["src", "functions"]) {
    for (const entry of readdirSync(join(repositoryRoot, top), {
      recursive: true,
      encoding: "utf8",
    }).toSorted()) {
      if (!entry.endsWith(".ts") || entry.endsWith(".d.ts")) continue;
      const path = `${top}/${entry.replaceAll("\\", "/")}`;
      sources.set(path, readFileSync(join(repositoryRoot, path), "utf8"));
    }
  }
  return sources;
}
