#!/usr/bin/env bun
/** The program `caxton`: reads the command line, runs one command, ends with its exit code. */
import { callersFolder } from "./callers-folder.ts";
import { completionsOf, runCaxton } from "./run.ts";

const inputs = process.argv.slice(2);
const folder = callersFolder(process.env, process.cwd());
if (folder !== undefined) process.chdir(folder);
if (inputs.includes("--no-color")) process.env["NO_COLOR"] = "1";
// A reader that had enough (`… | head -1`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

if (inputs[0] === "__complete") process.stdout.write(await completionsOf(inputs.slice(1), process));
else process.exitCode = await runCaxton(inputs, process);
