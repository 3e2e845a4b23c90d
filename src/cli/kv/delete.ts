/** `caxton kv delete KEY`. */
import { command } from "../command.ts";
import { keyArgument, writeFlags, type WriteFlags, writeOptions } from "./words.ts";

export const deleteKey = command<WriteFlags, [string]>({
  brief: "Delete a key",
  examples: ["caxton kv delete config/colour", "caxton kv delete config/colour --if-version 6"],
  parameters: { flags: writeFlags, positional: { kind: "tuple", parameters: [keyArgument] } },
  run: async ({ client, output }, flags, key) => {
    const { kv } = await client();
    const deleted = await kv.delete(key, writeOptions(flags));
    output.lines([`Deleted ${key} (version ${deleted.version})`], deleted);
  },
});
