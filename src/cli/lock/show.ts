/** `caxton lock show NAME`: who holds it. */
import { command } from "../command.ts";
import { heldText, lockArgument } from "./words.ts";

export const show = command<Record<never, never>, [string]>({
  brief: "Show who holds a lock",
  examples: ["caxton lock show build", "caxton lock show build --format json"],
  parameters: { positional: lockArgument },
  run: async ({ client, output }, _flags, name) => {
    const look = await (await client()).locks.get(name);
    output.lines([look.held ? heldText(look) : `Lock ${name} is free`], look);
  },
});
