/**
 * Keys set by the environment: `CAXTON_NODE__REGION=eu` is `node.region`. Variables without a double
 * underscore (`CAXTON_CONFIG`, `CAXTON_TOKEN`, …) belong to others, but for the cluster key.
 */
import { nearest } from "../base/nearest.ts";
import { keysByPath } from "./keys.ts";
import type { Problem, Setting, Source } from "./setting.ts";
import { inputOfText } from "./setting-text.ts";

const shortNames: Readonly<Record<string, string>> = { CAXTON_CLUSTER_KEY: "security.cluster.key" };

export function readEnvironment(env: Readonly<Record<string, string | undefined>>): {
  readonly settings: readonly Setting[];
  readonly problems: readonly Problem[];
} {
  const variables = new Map<string, string>([...keysByPath.keys()].map((path) => [variableOf(path), path]));
  const settings: Setting[] = [];
  const problems: Problem[] = [];
  for (const [variable, text] of Object.entries(env)) {
    const short = Object.hasOwn(shortNames, variable) ? shortNames[variable] : undefined;
    if (text === undefined || text === "") continue;
    if (short === undefined && !/^CAXTON_.*__/.test(variable)) continue;
    const source: Source = { kind: "environment", variable };
    const path = short ?? variables.get(variable);
    const key = path === undefined ? undefined : keysByPath.get(path);
    if (path === undefined || key === undefined) {
      const near = nearest(variable, variables.keys());
      problems.push({ source, text: `names no key${near === undefined ? "" : `; did you mean ${near}?`}` });
    } else {
      settings.push({ path, input: inputOfText(key, text), source });
    }
  }
  return { settings, problems };
}

/** `node.region` → `CAXTON_NODE__REGION`. */
export function variableOf(path: string): string {
  return `CAXTON_${path.toUpperCase().replaceAll(".", "__")}`;
}
