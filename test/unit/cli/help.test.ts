/** The help of every command, walked from the table of commands: examples that parse, and global flags told once. */
import type { Command, RouteMap } from "@stricli/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CliContext } from "../../../src/cli/command.ts";
import { root } from "../../../src/cli/routes.ts";
import { runInProcess } from "../../support/cli-world.ts";

type Target = RouteMap<CliContext> | Command<CliContext>;
interface Found {
  readonly words: readonly string[];
  readonly command: { loader: Command<CliContext>["loader"] };
}

function commandsOf(target: Target, words: readonly string[] = []): Found[] {
  if (!("getAllEntries" in target)) return [{ words, command: target }];
  return target
    .getAllEntries()
    .flatMap(({ name, target: next }) => commandsOf(next, [...words, name["convert-camel-to-kebab"]]));
}

const commands = commandsOf(root);
const found = commands.map(({ words }) => [words.join(" "), words] as const);
const caxton = (...args: readonly string[]) => runInProcess(args, { HOME: "/nowhere" });

async function examplesOf(words: readonly string[]): Promise<string[]> {
  const { stdout } = await caxton(...words, "--help");
  const [, section = ""] = stdout.split("\nEXAMPLES\n");
  return (section.split("\n\n")[0] ?? "").split("\n").map((line) => line.trim());
}

/** The words of a line without quotes, as a shell would give them; of `$(…)` what is inside. */
function wordsOf(line: string): string[] {
  return (/\$\((.*)\)/.exec(line)?.[1] ?? line).split(" ");
}

test("the table of commands is found whole", () => {
  expect(found.map(([name]) => name)).toContain("message dead-letters replay");
  expect(found.length).toBeGreaterThan(30);
});

describe("each command's help", () => {
  test.each(found)("%s: one to three examples, and the global flags in one section", async (_, words) => {
    const { exit, stdout } = await caxton(...words, "--help");
    expect(exit).toBe(0);
    expect((await examplesOf(words)).length).toBeLessThanOrEqual(3);
    const [before = "", global = ""] = stdout.split("FLAGS OF EVERY COMMAND");
    expect(before).not.toContain("--request-timeout");
    expect(global).toContain("--request-timeout D");
    expect(stdout).not.toMatch(/\nFLAGS\n\n/);
  });
});

describe("each example is a command line that its own command takes", () => {
  let ran: { readonly name: string } | undefined;
  const loaders = commands.map(({ command }) => command.loader);
  beforeAll(() => {
    for (const { words, command } of commands) {
      command.loader = () =>
        Promise.resolve(() => {
          ran = { name: words.join(" ") };
        });
    }
  });
  afterAll(() => {
    for (const [at, { command }] of commands.entries())
      command.loader = loaders[at] as Command<CliContext>["loader"];
  });

  test.each(found)("%s", async (name, words) => {
    for (const line of await examplesOf(words)) {
      const [program, ...args] = wordsOf(line);
      ran = undefined;
      const { exit, stderr } = await caxton(...args);
      expect([line, program, exit, stderr]).toEqual([line, "caxton", 0, ""]);
      // `agent deploy` is another name of `deploy`.
      expect(["agent deploy", name]).toContain((ran as { readonly name: string } | undefined)?.name);
    }
  });
});

test("the program's own help tells what the flags of every command do", async () => {
  const { stdout } = await caxton("--help");
  expect(stdout).toMatch(/--data-dir DIR +The local node's data directory/);
  expect(stdout).toContain("COMMAND --help");
});
