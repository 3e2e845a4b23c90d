/** Deploying to a real node and talking to its agents over HTTP: next to nothing, where a command is a process each. */
import { readFileSync } from "node:fs";
import type { TestNodeProcess } from "./node-process.ts";

/** The answer's body. Throws it unless the agent was deployed. `options` as of `POST /api/v1/agents`. */
export async function deployAgent(
  at: TestNodeProcess,
  module: string,
  options: Readonly<Record<string, string>>,
): Promise<string> {
  const answer = await at.fetch(`/api/v1/agents?${new URLSearchParams(options)}`, {
    method: "POST",
    headers: { "content-type": "application/wasm" },
    body: readFileSync(module),
  });
  const text = await answer.text();
  if (!answer.ok)
    throw new Error(`${options["name"]} was not deployed at ${at.id}: ${answer.status} ${text}`);
  return text;
}

/** One request to an agent and its reply's content, empty without one; throws what else is answered. */
export async function askAgent(
  at: TestNodeProcess,
  to: string,
  content: string,
  wait = "20s",
): Promise<string> {
  const answer = await at.fetch(`/api/v1/messages?wait=${wait}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ receiver: to, performative: "request", content }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${to}, asked at ${at.id}: ${answer.status} ${text}`);
  const { reply } = JSON.parse(text) as { readonly reply: { readonly content: string | number } | null };
  return reply === null ? "" : `${reply.content}`;
}
