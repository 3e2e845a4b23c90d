/** `caxton config schema`: the JSON Schema of the configuration file, for editors and checks. */
import { command } from "../command.ts";

export const schema = command({
  brief: "Print the JSON Schema of the configuration file",
  examples: ["caxton config schema"],
  parameters: {},
  run: async ({ output }) => {
    const { configJsonSchema } = await import("../../config/json-schema.ts");
    output.json(configJsonSchema());
  },
});
