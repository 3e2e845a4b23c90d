/** `caxton config init`: writes a file with every key and its default, commented out. */
import { writeFileSync } from "node:fs";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import { command } from "../command.ts";
import { proposeFiles } from "../files-mark.ts";
import { asText } from "../parse.ts";

export const init = command<Record<never, never>, [string?]>({
  brief: "Write a configuration file to begin with",
  examples: ["caxton config init", "caxton config init /etc/caxton/config.yaml"],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: asText,
          proposeCompletions: proposeFiles,
          optional: true,
          placeholder: "FILE",
          brief: "Where to write it [default ./caxton.yaml]",
        },
      ],
    },
  },
  run: async ({ output }, _flags, file = "./caxton.yaml") => {
    const { starterFile } = await import("../../config/starter-file.ts");
    try {
      writeFileSync(file, starterFile(), { flag: "wx", mode: 0o640 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") {
        throw new CaxtonError("already_exists", `${quote(file)} is there already: name another file`);
      }
      throw new CaxtonError("invalid_argument", `Cannot write ${quote(file)}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
    output.lines([`Wrote ${file}`], { file });
  },
});
