/**
 * The flags of `server start` as the arguments of the node's own process, and back: readable in a
 * process list, and usable by hand to run a node without its launcher.
 */
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import { flagPaths } from "../../config/flag-paths.ts";
import type { ConfigFlag, ConfigFlags } from "../../config/flag-paths.ts";

export interface StartArguments {
  readonly flags: ConfigFlags;
  /** `--config`. */
  readonly file: string | undefined;
}

export function formatStartArguments({ flags, file }: StartArguments): string[] {
  const texts = Object.entries(flags).flatMap(([flag, text]) =>
    text === undefined ? [] : [`--${flag}=${text}`],
  );
  return file === undefined ? texts : [...texts, `--config=${file}`];
}

/** Throws `CaxtonError("invalid_argument")` for anything that `formatStartArguments` does not write. */
export function parseStartArguments(args: readonly string[]): StartArguments {
  const flags: Partial<Record<ConfigFlag, string>> = {};
  let file: string | undefined;
  for (const argument of args) {
    const [, name, text] = /^--([a-z-]+)(?:=(.*))?$/s.exec(argument) ?? [];
    if (name === "config" && text !== undefined) file = text;
    else if (name !== undefined && Object.hasOwn(flagPaths, name)) flags[name as ConfigFlag] = text ?? "true";
    else throw new CaxtonError("invalid_argument", `Argument ${quote(argument)} is none of a node's`);
  }
  return { flags, file };
}
