/**
 * Where the user is, when a package script runs the program: `bun run caxton` sets the script's folder to
 * the package's, and paths that the user typed, and `./data`, are meant from where they typed them.
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";

/** The package scripts that are this program. */
const scripts: readonly (string | undefined)[] = ["caxton", "node"];

/** The folder to go to; undefined when this one is right or nothing tells. Bun tells it as npm's prefix. */
export function callersFolder(
  env: Readonly<Record<string, string | undefined>>,
  current: string,
): string | undefined {
  const { npm_lifecycle_event: script, npm_package_json: manifest, npm_config_local_prefix: from } = env;
  // Of an environment that was inherited from some other script nothing is believed.
  if (!scripts.includes(script) || manifest === undefined || dirname(manifest) !== current) return undefined;
  return from === undefined || from === current || !existsSync(from) ? undefined : from;
}
