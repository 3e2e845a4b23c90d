/** The configuration as a table: each key, its value with secrets masked, and where it came from. */
import { keysByPath } from "./keys.ts";
import type { LoadedConfig } from "./load-config.ts";
import { describeSource } from "./setting.ts";

export interface EffectiveRow {
  readonly key: string;
  /** As one would write it in the file; empty when unset. */
  readonly value: string;
  readonly source: string;
}

export const mask = "********";

/** Every key that has an effect, and those without that somebody set. */
export function effectiveRows({ values }: LoadedConfig): EffectiveRow[] {
  return [...values].flatMap(([path, { input, source }]): EffectiveRow[] => {
    const key = keysByPath.get(path);
    if (key === undefined || (key.inert && source.kind === "default")) return [];
    return [{ key: path, value: textOf(input, key.secret), source: describeSource(source) }];
  });
}

function textOf(input: unknown, secret: boolean): string {
  if (input === null || input === undefined) return "";
  if (Array.isArray(input) && input.length === 0) return "[]";
  if (secret) return mask;
  return typeof input === "string" ? input : JSON.stringify(input);
}
