#!/usr/bin/env bun
/** The program `caxton`: reads the command line, runs one command, ends with its exit code. */
import { proposeCompletions, run } from "@stricli/core";
import { application } from "./application.ts";
import type { CliContext } from "./command.ts";
import { failureText, usageExit } from "./failure.ts";

const inputs = process.argv.slice(2);
if (inputs.includes("--no-color")) process.env["NO_COLOR"] = "1";
// A reader that had enough (`… | head -1`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

const context = {
  process: { stdout: process.stdout, stderr: process.stderr, env: process.env },
} satisfies CliContext;

if (inputs[0] === "__complete") {
  for (const { completion, brief } of await proposeCompletions(application, inputs.slice(1), context)) {
    process.stdout.write(`${completion}\t${brief}\n`);
  }
} else {
  try {
    await run(application, inputs.length === 0 ? ["--help"] : inputs, {
      ...context,
      process: Object.assign(process, {}),
    } as never);
  } catch (error) {
    process.stderr.write(`${failureText(error)}\n`);
    process.exitCode = 1;
  }
  // The library's own codes for a wrong command line are negative.
  const exit = Number(process.exitCode ?? 0);
  if (exit < 0 || exit > 7) process.exitCode = usageExit;
}
