/** The file that `caxton config init` writes: every section, each key with its default, commented out. */
import { isKey } from "./key.ts";
import type { Section } from "./key.ts";
import { configKeys } from "./keys.ts";

export function starterFile(): string {
  const lines = [
    "# Caxton configuration. A line without its '#' changes a default; keys: `caxton config schema`.",
    "# Flags win over CAXTON_SECTION__KEY variables, those over this file. ${VAR} and ${VAR:-default} work.",
    "",
  ];
  for (const [word, entry] of Object.entries(configKeys as Section)) lines.push(...describe(word, entry, ""));
  return `${lines.join("\n")}\n`;
}

function describe(word: string, entry: Section[string], indent: string): string[] {
  if (!isKey(entry)) {
    const inner = Object.entries(entry).flatMap(([name, child]) => describe(name, child, `${indent}  `));
    return inner.length === 0 ? [] : [`#${indent} ${word}:`, ...inner, ...(indent === "" ? ["#"] : [])];
  }
  if (entry.inert) return [];
  const value = entry.fallback === undefined ? "" : ` ${scalar(entry.fallback)}`;
  return [`#${indent} ${word}:${value}  # ${entry.help}`];
}

function scalar(fallback: unknown): string {
  return typeof fallback === "string" ? fallback : JSON.stringify(fallback);
}
