/** `caxton cluster shed-load --percentage P`: every node refuses that share of clients' messages. */
import type { ShedAnswer } from "../../api/cluster/stopping.ts";
import { command } from "../command.ts";
import { wholeNumber } from "../parse.ts";

interface Flags {
  readonly percentage?: number;
}

export const shedLoad = command<Flags>({
  brief: "Refuse a share of clients' messages, 0 to end it",
  description:
    "At every node, of messages below the priority critical, until it is set to 0. Clients are told to come back later; " +
    "agents' messages to each other go on. Without a percentage: what is set.",
  examples: ["caxton cluster shed-load --percentage 20", "caxton cluster shed-load --percentage 0"],
  parameters: {
    flags: {
      percentage: {
        kind: "parsed",
        parse: wholeNumber(0, 100),
        optional: true,
        placeholder: "P",
        brief: "Of clients' messages, 0 to 100",
      },
    },
  },
  run: async (call, { percentage }) => {
    const { operations } = await call.client();
    const answer =
      percentage === undefined ? await operations.shedding() : await operations.shedLoad(percentage);
    call.output.lines([sheddingLine(answer)], answer);
  },
});

export function sheddingLine({ percentage, refused }: ShedAnswer): string {
  const so = percentage === 0 ? "No load is shed" : `Shedding ${percentage}% of clients' messages`;
  return `${so} (refused by this node so far: ${refused})`;
}
