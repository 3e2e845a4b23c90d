/** `caxton config show`: the keys that somebody set, or with `--effective` every one, and where each came from. */
import { command } from "../command.ts";
import { fileFlag, readConfig } from "./read.ts";

interface Flags {
  readonly config?: string;
  readonly effective: boolean;
}

export const show = command<Flags>({
  brief: "Show the configuration; secrets are masked",
  examples: ["caxton config show", "caxton config show --effective --config caxton.yaml"],
  parameters: {
    flags: {
      config: fileFlag,
      effective: { kind: "boolean", default: false, withNegated: false, brief: "Defaults as well" },
    },
  },
  run: async (call, { config, effective }) => {
    const loaded = await readConfig(call, config);
    const { effectiveRows } = await import("../../config/effective.ts");
    const rows = effectiveRows(loaded).filter(({ source }) => effective || source !== "default");
    call.output.table(
      [
        { title: "KEY", cell: ({ key }) => key },
        { title: "VALUE", cell: ({ value }) => value },
        { title: "SOURCE", cell: ({ source }) => source },
      ],
      rows,
      rows,
    );
  },
});
