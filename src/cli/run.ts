/** One run of the CLI with streams and environment of the caller's choice: what `main.ts` and the tests share. */
import { proposeCompletions, run } from "@stricli/core";
import { loadApplication } from "./application.ts";
import type { CliContext } from "./command.ts";
import { failureText, usageExit } from "./failure.ts";

const failedExit = 1;
const exit_max = 7;

type Streams = CliContext["process"];

/** The exit code. Never throws. */
export async function runCaxton(
  inputs: readonly string[],
  { stdout, stderr, env }: Streams,
  fetch?: CliContext["fetch"],
): Promise<number> {
  const process: Streams & { exitCode?: number | string | null } = { stdout, stderr, env };
  const context: CliContext = { process, outcome: { exit: 0 }, ...(fetch === undefined ? {} : { fetch }) };
  try {
    await run(
      await loadApplication(inputs[0]),
      commandLine(inputs),
      context as CliContext & { process: typeof process },
    );
  } catch (error) {
    stderr.write(`${failureText(error)}\n`);
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
  return first === "--version" || first === "-V" ? ["version", ...rest] : inputs;
}

/** Words that may come next, a line each with a tab and what it is. */
export async function completionsOf(
  inputs: readonly string[],
  { stdout, stderr, env }: Streams,
): Promise<string> {
  const context: CliContext = { process: { stdout, stderr, env }, outcome: { exit: 0 } };
  const found = await proposeCompletions(await loadApplication(inputs[0]), inputs, context as never);
  return found.map(({ completion, brief }) => `${completion}\t${brief}\n`).join("");
}
