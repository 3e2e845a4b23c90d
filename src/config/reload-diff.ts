/** What a reload of the configuration (SIGHUP) can apply, and what waits for a restart. */
import { keysByPath } from "./keys.ts";
import type { LoadedConfig } from "./load-config.ts";

export interface ReloadDiff {
  /** Changed keys, by dotted path, that a running node applies. */
  readonly live: readonly string[];
  /** Changed keys that it cannot. */
  readonly restart: readonly string[];
}

export function diffForReload(before: LoadedConfig, after: LoadedConfig): ReloadDiff {
  const live: string[] = [];
  const restart: string[] = [];
  for (const [path, key] of keysByPath) {
    if (key.inert) continue;
    const [old, fresh] = [before, after].map((loaded) => JSON.stringify(loaded.values.get(path)?.value));
    if (old !== fresh) (key.live ? live : restart).push(path);
  }
  return { live, restart };
}
