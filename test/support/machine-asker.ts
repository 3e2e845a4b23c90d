/**
 * Asks the node of this machine over its API, for a test on another one: each line of the input is a path, each line
 * of the output its answer, in order. A process that stays costs a test nothing for each look; a command would.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { reasonOf } from "../../src/base/errors.ts";
import type { MachineAnswer } from "./machine-node.ts";
import { question_ms } from "./patience.ts";

const [dataDir] = process.argv.slice(2) as [string];

function fileOf(name: string): string {
  return readFileSync(join(dataDir, name), "utf8").trim();
}

async function ask(path: string): Promise<MachineAnswer> {
  const authority = join(dataDir, "ca.pem");
  const answer = await fetch(`${fileOf("api.address")}${path}`, {
    headers: { authorization: `Bearer ${fileOf("admin.token")}` },
    signal: AbortSignal.timeout(question_ms),
    ...(existsSync(authority) && { tls: { ca: fileOf("ca.pem") } }),
  });
  return { status: answer.status, body: await answer.json() };
}

for await (const path of createInterface({ input: process.stdin })) {
  const answer = await ask(path).catch((error: unknown) => ({ status: 0, body: reasonOf(error) }));
  console.log(JSON.stringify(answer));
}
