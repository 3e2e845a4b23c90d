/** The configuration as a node started here would read it. */
import { existsSync } from "node:fs";
import type { LoadedConfig } from "../../config/load-config.ts";
import { configFile_bytes_max } from "../../config/file-limit.ts";
import { readBoundedText } from "../../platform/node/read-bounded.ts";
import type { Call } from "../command.ts";
import { proposeFiles } from "../files-mark.ts";

/** Throws `CaxtonError("invalid_config")` with a line a problem. */
export async function readConfig(call: Call, file: string | undefined): Promise<LoadedConfig> {
  const { loadConfig } = await import("../../config/load-config.ts");
  const { dataDir } = call.flags;
  return loadConfig({
    flags: dataDir === undefined ? {} : { "data-dir": dataDir },
    file,
    env: call.env,
    readFile: (path) => (existsSync(path) ? readBoundedText(path, configFile_bytes_max) : null),
  });
}

export const fileFlag = {
  kind: "parsed",
  parse: (input: string): string => input,
  proposeCompletions: proposeFiles,
  optional: true,
  placeholder: "FILE",
  brief: "The file [default CAXTON_CONFIG, ./caxton.yaml, /etc/caxton/config.yaml]",
} as const;
