/** `caxton agent logs NAME`: what an agent wrote with its log call, oldest first. */
import { setTimeout as pause } from "node:timers/promises";
import type { LogsAnswer } from "../../api/agents/agents.ts";
import { command } from "../command.ts";
import { wholeNumber } from "../parse.ts";
import { agentArgument } from "../positional.ts";
import { printable } from "../table.ts";
import { untilInterrupt } from "../until-interrupt.ts";

type Line = LogsAnswer["lines"][number];

const poll_ms = 500;
const lines_max = 1_000;

interface Flags {
  readonly follow: boolean;
  readonly lines: number;
}

export const logs = command<Flags, [string]>({
  brief: "Show what an agent logged",
  examples: ["caxton agent logs echo", "caxton agent logs echo --follow --lines 20"],
  parameters: {
    flags: {
      follow: { kind: "boolean", default: false, withNegated: false, brief: "Go on with what it logs next" },
      lines: {
        kind: "parsed",
        parse: wholeNumber(1, lines_max),
        default: "100",
        placeholder: "N",
        brief: "How many",
      },
    },
    aliases: { f: "follow" },
    positional: agentArgument,
  },
  run: async (call, { follow, lines }, name) => {
    const { agents } = await call.client();
    const shown = new LogTail();
    const print = (all: readonly Line[]): void => {
      for (const line of shown.fresh(all))
        call.output.line(call.output.format === "json" ? JSON.stringify(line) : lineText(line));
    };
    print((await agents.logs(name, lines)).lines);
    if (!follow) return;
    await untilInterrupt(async (signal) => {
      while (!signal.aborted) {
        await pause(poll_ms, undefined, { signal }).catch(() => undefined);
        if (!signal.aborted) print((await agents.logs(name, lines_max)).lines);
      }
    });
  },
});

/** Tells lines that were not seen yet, of lists that overlap: by their time and their number at that time. */
export class LogTail {
  #last = "";
  #seenAtLast = 0;

  fresh(lines: readonly Line[]): Line[] {
    let skip = this.#seenAtLast;
    const found = lines.filter(({ at }) => at > this.#last || (at === this.#last && skip-- <= 0));
    const last = lines.at(-1)?.at;
    if (last !== undefined && last >= this.#last) {
      this.#last = last;
      this.#seenAtLast = lines.filter(({ at }) => at === last).length;
    }
    return found;
  }
}

function lineText({ at, level, text }: Line): string {
  return `${at} [${level.toUpperCase()}] ${printable(text)}`;
}
