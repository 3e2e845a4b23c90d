/** The CLI in this process, against an API over services in memory: no socket, what it printed as text. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCaxton } from "../../src/cli/run.ts";
import { apiWorld } from "./api-world.ts";

export interface CliResult {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function cliWorld() {
  const world = await apiWorld();
  const folder = mkdtempSync(join(tmpdir(), "caxton-cli-"));
  writeFileSync(join(folder, "admin.token"), `${world.admin}\n`, { mode: 0o600 });
  // As a node that runs leaves it; without it nobody is asked with its token.
  writeFileSync(join(folder, "api.address"), "http://127.0.0.1:8080\n");
  const send = async (url: string, init: RequestInit): Promise<Response> =>
    await world.app.fetch(new Request(url, init));

  const caxton = async (...args: readonly string[]): Promise<CliResult> =>
    await runInProcess([...args, "--data-dir", folder], { HOME: folder }, send);
  return { ...world, folder, caxton, dispose: () => rmSync(folder, { recursive: true, force: true }) };
}

export async function runInProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  send?: (url: string, init: RequestInit) => Promise<Response>,
): Promise<CliResult> {
  let stdout = "";
  let stderr = "";
  const text = (chunk: string | Uint8Array): string =>
    typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
  const exit = await runCaxton(
    args,
    {
      stdout: { write: (chunk) => (stdout += text(chunk)) },
      stderr: { write: (chunk) => (stderr += text(chunk)) },
      env,
    },
    send,
  );
  return { exit, stdout, stderr };
}
