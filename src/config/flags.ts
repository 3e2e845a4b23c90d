/** Keys set by the flags of `caxton server start`. */
import { flagPaths } from "./flag-paths.ts";
import type { ConfigFlag, ConfigFlags } from "./flag-paths.ts";
import { keysByPath } from "./keys.ts";
import type { Setting } from "./setting.ts";
import { inputOfText } from "./setting-text.ts";

export function readFlags(flags: ConfigFlags): readonly Setting[] {
  return (Object.keys(flagPaths) as ConfigFlag[]).flatMap((flag): Setting[] => {
    const text = flags[flag];
    const path = flagPaths[flag];
    const key = keysByPath.get(path);
    if (text === undefined || key === undefined) return [];
    return [{ path, input: inputOfText(key, text), source: { kind: "flag", flag: `--${flag}` } }];
  });
}
