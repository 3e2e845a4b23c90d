/**
 * What the help has beside the library's own words: examples, and the flags that every command takes,
 * with what they do at the program, in two lines at each command.
 */
import type { CommandContext, RouteMap } from "@stricli/core";
import { globalFlags } from "./global-flags.ts";

const indent = "  ";
const width = 100;
const title = "FLAGS OF EVERY COMMAND";

interface Word {
  readonly placeholder?: string;
  readonly optional?: boolean;
  readonly hidden?: boolean;
  readonly default?: unknown;
}

/** A command's flags and arguments, as far as its usage line needs them. */
export interface ParameterWords {
  readonly flags?: Readonly<Record<string, Word & { readonly kind: string }>>;
  readonly positional?:
    | { readonly kind: "tuple"; readonly parameters: readonly Word[] }
    | { readonly kind: "array"; readonly parameter: Word };
}

/** `--name N FILE.wasm`, `[FILE]`: the flags that are needed, and all arguments. */
export function usageOf({ flags = {}, positional }: ParameterWords): string {
  const isNeeded = (word: Word): boolean => word.optional !== true && word.default === undefined;
  const needed = Object.entries(flags).filter(([, flag]) => isNeeded(flag));
  const flagWords = needed.map(([name, flag]) =>
    flag.kind === "boolean" ? `--${kebab(name)}` : `--${kebab(name)} ${flag.placeholder ?? "VALUE"}`,
  );
  const argument = (word: Word): string =>
    isNeeded(word) ? (word.placeholder ?? "X") : `[${word.placeholder ?? "X"}]`;
  const ofPositional =
    positional === undefined
      ? []
      : positional.kind === "array"
        ? [`[${positional.parameter.placeholder ?? "X"}...]`]
        : positional.parameters.map(argument);
  return [...flagWords, ...ofPositional].join(" ");
}

/** The library's text of the command's own flags and arguments, then the rest. */
export function commandHelp(own: string, examples: readonly string[]): string {
  const shown = examples.map((line) => indent + line);
  return [withoutEmptyFlags(own), "", "EXAMPLES", ...shown, "", title, ...globalLines(), ""].join("\n");
}

/** A noun's help says where more is; the program's (`all`) what the flags of every command do. */
export function mapHelp<C extends CommandContext>(map: RouteMap<C>, all: boolean): RouteMap<C> {
  return {
    ...map,
    formatHelp: (args) => {
      const own = withoutEmptyFlags(
        map.formatHelp({ ...args, additionalFlags: [], includeArgumentEscapeSequenceFlag: false }),
      );
      const more = `${[...args.prefix, "COMMAND", "--help"].join(" ")} shows a command's flags and examples`;
      return [own, "", ...(all ? [title, ...globalBriefs(), ""] : []), more, ""].join("\n");
    },
  };
}

/** Without flags of its own the library leaves a title over nothing; what a list is separated by, the brief says. */
function withoutEmptyFlags(help: string): string {
  return help
    .replaceAll(" [separator = ,]", "")
    .replace(/\nFLAGS\n(?=\n|$)/, "\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trimEnd();
}

function globalBriefs(): string[] {
  const rows = Object.entries(globalFlags).flatMap(([name, flag]: [string, Flag]) =>
    flagWord(name, flag).map((word) => [word, flag.brief] as const),
  );
  const longest = Math.max(...rows.map(([word]) => word.length));
  return [...rows, ["--help", "Tell what a command does, with examples"] as const].map(
    ([word, brief]) => `${indent}${word.padEnd(longest)}  ${brief}`,
  );
}

/** `--api URL`, `--format table|json|wide` … in as few lines as fit. */
function globalLines(): string[] {
  const words = [...Object.entries(globalFlags).flatMap(([name, flag]) => flagWord(name, flag)), "--help"];
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    if (line !== "" && line.length + word.length + 2 > width) {
      lines.push(indent + line);
      line = "";
    }
    line += line === "" ? word : `  ${word}`;
  }
  return [...lines, indent + line, `${indent}(caxton --help tells what they do)`];
}

interface Flag {
  readonly kind: string;
  readonly brief: string;
  readonly placeholder?: string;
  readonly hidden?: boolean;
  readonly default?: unknown;
}

function flagWord(name: string, flag: Flag): string[] {
  if (flag.hidden === true) return [];
  const word = kebab(name);
  if (flag.kind === "boolean") return [flag.default === true ? `--no-${word}` : `--${word}`];
  const short = name === "format" ? "-o|" : "";
  return [`${short}--${word} ${flag.placeholder ?? "X"}`];
}

/** As it is typed: `nodeId` is `--node-id`. */
export function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
