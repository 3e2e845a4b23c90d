/**
 * Asks the node of this machine over its API, for a test on another one: each line of the input is a request, each
 * line of the output the answer to one of them. A process that stays costs a test nothing for each look; a command would.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { reasonOf } from "../../src/base/errors.ts";
import { question_ms } from "./patience.ts";

/** One line of the input. */
export interface MachineRequest {
  /** In the answer to it. */
  readonly number: number;
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** One line of the output. Status 0: it could not be asked, and `body` says why. */
export interface MachineAnswer {
  readonly number: number;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const [dataDir] = process.argv.slice(2) as [string];

function fileOf(name: string): string {
  return readFileSync(join(dataDir, name), "utf8").trim();
}

async function ask({ number, path, method, headers, body }: MachineRequest): Promise<MachineAnswer> {
  try {
    const authority = join(dataDir, "ca.pem");
    const answer = await fetch(`${fileOf("api.address")}${path}`, {
      method,
      headers: { authorization: `Bearer ${fileOf("admin.token")}`, ...headers },
      body,
      // A kept connection that closes would have the request sent again behind our back.
      keepalive: false,
      signal: AbortSignal.timeout(question_ms),
      ...(existsSync(authority) && { tls: { ca: fileOf("ca.pem") } }),
    });
    const { status, headers: given } = answer;
    return { number, status, headers: Object.fromEntries(given), body: await answer.text() };
  } catch (error) {
    return { number, status: 0, headers: {}, body: reasonOf(error) };
  }
}

for await (const line of createInterface({ input: process.stdin }))
  void ask(JSON.parse(line) as MachineRequest).then((answer) => console.log(JSON.stringify(answer)));
