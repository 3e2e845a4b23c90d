/** Sizes as people write them: `64KiB`, `10MB`, `512`. Inside they are bytes. */
import { CaxtonError } from "./errors.ts";
import { quote } from "./ids.ts";

const unit_bytes: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Bytes of a size; KiB, MiB, GiB are powers of 1,024 and KB, MB, GB powers of 1,000. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text.trim());
  const unit = match ? unit_bytes[(match[2] as string).toLowerCase()] : undefined;
  if (!match || unit === undefined) {
    throw new CaxtonError("invalid_argument", `Size ${quote(text)} is not like 512, 64KiB or 10MB`);
  }
  return Math.round(Number(match[1]) * unit);
}

/** What was measured, for people: one decimal at most, decimal units, as in `2.1GB`. */
export function formatSize(bytes: number): string {
  for (const [unit, size] of [
    ["TB", 1e12],
    ["GB", 1e9],
    ["MB", 1e6],
    ["KB", 1e3],
  ] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))}${unit}`;
  }
  return `${bytes}B`;
}

/** What is set, for people: exact, as it is written in a configuration, `64MiB` or `10MB`; `parseSize` reads it back. */
export function formatLimit(bytes: number): string {
  for (const unit of ["TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "KB"]) {
    const size = unit_bytes[unit.toLowerCase()] as number;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}
