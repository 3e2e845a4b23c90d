/** `caxton kv get KEY`: prints the value as it was written; with JSON also its version and type. */
import { command } from "../command.ts";
import { terminalText } from "../content.ts";
import { choices } from "../parse.ts";
import { keyArgument } from "./words.ts";

const consistencies = ["linearizable", "local"] as const;

interface Flags {
  readonly consistency: (typeof consistencies)[number];
}

export const get = command<Flags, [string]>({
  brief: "Print the value of a key",
  examples: ["caxton kv get config/colour", "caxton kv get config/colour --consistency local --format json"],
  parameters: {
    flags: {
      consistency: {
        kind: "parsed",
        ...choices(consistencies),
        default: "linearizable",
        brief: "linearizable, or local: what this node has, perhaps older",
      },
    },
    positional: { kind: "tuple", parameters: [keyArgument] },
  },
  run: async ({ client, output }, { consistency }, key) => {
    const found = await (await client()).kv.get(key, consistency);
    const { encoding, value } = found;
    if (output.format === "json") output.json(found);
    else if (output.stdout.isTTY === true) output.stdout.write(terminalText(value));
    else output.stdout.write(encoding === "base64" ? Buffer.from(value, "base64") : value);
  },
});
