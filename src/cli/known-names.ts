/**
 * Names for the shell's completion, asked of the node that the command line means so far. Nobody waits long for
 * them, and where none can be had none are offered: a completion has no place to say why.
 */
import type { Client } from "../client/client.ts";
import type { CliContext } from "./command.ts";
import { readContexts } from "./contexts.ts";
import { findTarget } from "./target.ts";

const patience_ms = 700;
const names_max = 200;

export function proposeAgents(this: CliContext, partial: string): Promise<readonly string[]> {
  return proposals(this, partial, async ({ agents }) => (await agents.list()).map(({ name }) => name));
}

export function proposeNodes(this: CliContext, partial: string): Promise<readonly string[]> {
  return proposals(this, partial, async ({ cluster }) =>
    (await cluster.members()).members.map(({ id }) => id),
  );
}

export function proposeContexts(this: CliContext, partial: string): readonly string[] {
  try {
    return Object.keys(readContexts(this.process.env).contexts).filter((name) => name.startsWith(partial));
  } catch {
    return [];
  }
}

async function proposals(
  context: CliContext,
  partial: string,
  namesOf: (client: Client) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  // Of a list with commas the last one is begun.
  const listed = partial.slice(0, partial.lastIndexOf(",") + 1);
  const begun = partial.slice(listed.length);
  try {
    const { connect } = await import("./connect.ts");
    const target = findTarget(context.typed ?? {}, context.process.env);
    const names = await namesOf(connect(target, patience_ms, context.fetch));
    const fitting = names.filter((name) => name.startsWith(begun)).slice(0, names_max);
    return fitting.map((name) => listed + name);
  } catch {
    return [];
  }
}

const targetFlags = { api: "--api", token: "--token", dataDir: "--data-dir", context: "--context" } as const;

/** The flags of a line, perhaps unfinished, that say which node is meant. */
export function typedTarget(words: readonly string[]): Partial<Record<keyof typeof targetFlags, string>> {
  const typed: Partial<Record<keyof typeof targetFlags, string>> = {};
  for (const [key, flag] of Object.entries(targetFlags) as [keyof typeof targetFlags, string][]) {
    const at = words.findIndex((word) => word === flag || word.startsWith(`${flag}=`));
    const word = words[at];
    const value = word === flag ? words[at + 1] : word?.slice(flag.length + 1);
    if (value !== undefined && value !== "") typed[key] = value;
  }
  return typed;
}
