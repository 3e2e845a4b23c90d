/**
 * Runs an operator's program once: no shell, text on its standard input, its standard output back, bounded in time
 * and output. It runs in a process group of its own, which ends as a whole with it, or when a bound is broken.
 */
import { spawn } from "node:child_process";
import { CaxtonError, reasonOf } from "../../base/errors.ts";

export interface ProgramLimits {
  readonly timeout_ms: number;
  /** Of standard output and standard error together. */
  readonly output_bytes: number;
}

/** What it printed. Throws `CaxtonError`: `timeout`, `payload_too_large`, or `unavailable` when it cannot be run or fails. */
export function runProgram(path: string, input: string, limits: ProgramLimits): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(path, [], { shell: false, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  let length = 0;
  const end = (error: CaxtonError): void => {
    clearTimeout(timer);
    killGroup(child.pid);
    child.stdout.destroy();
    child.stderr.destroy();
    reject(error);
  };
  const timer = setTimeout(
    () => end(new CaxtonError("timeout", `${path} did not end within ${limits.timeout_ms} ms`)),
    limits.timeout_ms,
  );
  const take =
    (parts: Buffer[]) =>
    (chunk: Buffer): void => {
      length += chunk.length;
      if (length > limits.output_bytes) {
        const detail = `${path} printed more than ${limits.output_bytes} bytes`;
        end(new CaxtonError("payload_too_large", detail));
      } else parts.push(chunk);
    };
  child.stdout.on("data", take(output));
  child.stderr.on("data", take(errors));
  // It need not read what it is told.
  child.stdin.on("error", () => undefined);
  child.on("error", (error) =>
    end(new CaxtonError("unavailable", `${path} cannot be run: ${reasonOf(error)}`, { cause: error })),
  );
  child.on("close", (code, signal) => {
    clearTimeout(timer);
    // What it left in the background would outlast the bounds.
    killGroup(child.pid);
    if (code === 0) resolve(Buffer.concat(output).toString("utf8"));
    else {
      const said = Buffer.concat(errors).toString("utf8").trim().slice(0, 200);
      const how = code === null ? `was ended by ${signal ?? "a signal"}` : `exited with ${code}`;
      reject(new CaxtonError("unavailable", `${path} ${how}${said === "" ? "" : `: ${said}`}`));
    }
  });
  child.stdin.end(input);
  return promise;
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // Over already; or a program of another user, which nobody here can end.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
