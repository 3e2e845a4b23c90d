/** The flags of `caxton server start` that set a key, and the key each one sets. */
import { keysByPath } from "./keys.ts";
import type { Setting } from "./setting.ts";
import { inputOfText } from "./setting-text.ts";

export const flagPaths = {
  "node-id": "node.id",
  "data-dir": "node.data_dir",
  cluster: "cluster.name",
  "cluster-key-file": "security.cluster.key_file",
  "bind-addr": "coordination.cluster.bind_addr",
  "advertise-addr": "coordination.cluster.advertise_addr",
  "api-addr": "node.api_addr",
  "metrics-addr": "observability.metrics_addr",
  region: "node.region",
  zone: "node.zone",
  role: "node.role",
  bootstrap: "coordination.cluster.bootstrap",
  "bootstrap-expect": "coordination.cluster.bootstrap_expect",
  join: "coordination.cluster.seeds",
  "api-insecure": "security.api.insecure",
} as const;

export type ConfigFlag = keyof typeof flagPaths;
/** As typed, `true` for a flag that takes no value. */
export type ConfigFlags = Partial<Readonly<Record<ConfigFlag, string | undefined>>>;

export function readFlags(flags: ConfigFlags): readonly Setting[] {
  return (Object.keys(flagPaths) as ConfigFlag[]).flatMap((flag): Setting[] => {
    const text = flags[flag];
    const path = flagPaths[flag];
    const key = keysByPath.get(path);
    if (text === undefined || key === undefined) return [];
    return [{ path, input: inputOfText(key, text), source: { kind: "flag", flag: `--${flag}` } }];
  });
}
