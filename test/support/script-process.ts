/** A child process of this runtime that runs one of our scripts, for tests that must kill a real one. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Every test that starts one ends them all afterwards, also when it failed. */
export class ScriptProcesses {
  readonly #started: ScriptProcess[] = [];

  /** `script` is beside this file. */
  start(script: string, args: readonly string[]): ScriptProcess {
    const started = startScript(script, args);
    this.#started.push(started);
    return started;
  }

  async end(): Promise<void> {
    for (const { child, ended } of this.#started.splice(0)) {
      child.kill("SIGKILL");
      await ended;
    }
  }
}

export interface ScriptProcess {
  readonly child: ChildProcess;
  /** What it printed so far, whole lines only. */
  lines(): readonly string[];
  /** Resolves when it has ended, however. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

function startScript(script: string, args: readonly string[]): ScriptProcess {
  const onDeno = process.versions["deno"] !== undefined;
  const file = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(process.execPath, [...(onDeno ? ["run", "-A"] : []), file, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  return {
    child,
    lines: () => printed.split("\n").slice(0, -1),
    ended: new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal }))),
  };
}
