/** `caxton config validate`: what a node would refuse or ignore, each with its line. */
import { command } from "../command.ts";
import { fileFlag, readConfig } from "./read.ts";

export const validate = command<{ readonly config?: string }>({
  brief: "Check the configuration without starting anything",
  examples: ["caxton config validate", "caxton config validate --config /etc/caxton/config.yaml"],
  parameters: { flags: { config: fileFlag } },
  run: async (call, { config }) => {
    const loaded = await readConfig(call, config);
    for (const warning of loaded.warnings) call.output.notice(`warning: ${warning}`);
    const what = loaded.file ?? "defaults and environment (there is no file)";
    call.output.lines([`OK: ${what}`], { ok: true, file: loaded.file, warnings: loaded.warnings });
  },
});
