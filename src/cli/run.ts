/** One run of the CLI with streams and environment of the caller's choice: what `main.ts` and the tests share. */
import { proposeCompletions, run } from "@stricli/core";
import { loadApplication } from "./application.ts";
import type { CliContext } from "./command.ts";
import { filesMark } from "./files-mark.ts";
import { typedTarget } from "./known-names.ts";
import { failureJson, failureText, usageExit } from "./failure.ts";
import { fromCommand, globalFlagsLast } from "./leading-flags.ts";

const failedExit = 1;
const exit_max = 7;

type Streams = CliContext["process"];

/** The exit code. Never throws. */
export async function runCaxton(
  inputs: readonly string[],
  { stdout, stderr, env }: Streams,
  fetch?: CliContext["fetch"],
): Promise<number> {
  const words = commandLine(inputs);
  const errorsAs = wantsJson(words) ? "json" : "text";
  const process: Streams & { exitCode?: number | string | null } = { stdout, stderr, env };
  const context: CliContext = { process, outcome: { exit: 0 }, ...(fetch === undefined ? {} : { fetch }) };
  try {
    await run(
      await loadApplication(words[0], errorsAs),
      words,
      context as CliContext & { process: typeof process },
    );
  } catch (error) {
    stderr.write(`${errorsAs === "json" ? failureJson(error) : failureText(error)}\n`);
    return failedExit;
  }
  const exit = Number(process.exitCode ?? 0);
  // The library's own codes, for a wrong command line, are negative.
  if (exit < 0 || exit > exit_max) return usageExit;
  return exit === 0 ? context.outcome.exit : exit;
}

/** Nothing said means help; `--version` is what people try first of any program. */
function commandLine(inputs: readonly string[]): readonly string[] {
  if (inputs.length === 0) return ["--help"];
  const [first, ...rest] = inputs;
  // What people try who do not know `--help`.
  if (first === "help") return [...rest, "--help"];
  return first === "--version" || first === "-V" ? ["version", ...rest] : globalFlagsLast(inputs);
}

/** Whether the answer was to be JSON, as far as can be seen of a line that may be wrong. */
function wantsJson(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  return words
    .slice(0, end === -1 ? words.length : end)
    .some(
      (word, at, all) =>
        /^--(?:format|output)=json$/.test(word) || (word === "json" && formatFlags.has(all[at - 1])),
    );
}

const formatFlags: ReadonlySet<string | undefined> = new Set(["-o", "--format", "--output"]);

/** Words that may come next, a line each with a tab and what it is; `:files` where a file may. The last input is the word begun, perhaps empty. */
export async function completionsOf(
  given: readonly string[],
  { stdout, stderr, env }: Streams,
  fetch?: CliContext["fetch"],
): Promise<string> {
  const inputs = fromCommand(given[0] === "help" && given.length > 1 ? given.slice(1) : given);
  const streams = { stdout, stderr, env };
  const context: CliContext = {
    process: streams,
    outcome: { exit: 0 },
    typed: typedTarget(given),
    ...(fetch === undefined ? {} : { fetch }),
  };
  const last = inputs.at(-1) ?? "";
  // `--format=j` is `--format j` to the library, whose proposals are then put behind the flag again.
  const [, flag, value] = /^(--[a-z-]+)=(.*)$/s.exec(last) ?? [];
  const begun = value ?? last;
  const ofFlags = flag === undefined && begun.startsWith("-");
  // Of flags all are asked for, since they may be shown otherwise than the library knows them.
  const asked = flag !== undefined ? [flag, begun] : [ofFlags ? "--" : begun];
  const words = [...inputs.slice(0, -1), ...asked];
  const found = await proposeCompletions(await loadApplication(inputs[0]), words, context as never);
  const fitting = found
    .map(({ completion, brief }) => ({ completion: shownFlags[completion] ?? completion, brief }))
    .filter(({ completion }) => completion !== "" && completion.startsWith(begun))
    .filter(({ completion }) => ofFlags || !completion.startsWith("--"));
  // Files are for the shell to list.
  if (fitting.some(({ completion }) => completion === begun + filesMark)) return `${filesMark}\t\n`;
  const before = flag === undefined ? "" : `${flag}=`;
  return fitting.map(({ completion, brief }) => `${before}${completion}\t${brief}\n`).join("");
}

/** What people do not type of the flags that the library proposes, or type otherwise. */
const shownFlags: Readonly<Record<string, string>> = { "--output": "", "--": "", "--color": "--no-color" };
