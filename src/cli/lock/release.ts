/** `caxton lock release NAME --fencing-token N`. */
import { command } from "../command.ts";
import { fencingToken, lockArgument } from "./words.ts";

interface Flags {
  readonly fencingToken: number;
}

export const release = command<Flags, [string]>({
  brief: "Release a lock",
  examples: ["caxton lock release build --fencing-token 7"],
  parameters: {
    flags: { fencingToken: { ...fencingToken, brief: "The token it was acquired with" } },
    positional: lockArgument,
  },
  run: async ({ client, output }, flags, name) => {
    const done = await (await client()).locks.release(name, flags.fencingToken);
    output.lines([`Released ${name}`], done);
  },
});
