/**
 * Runs the pinned Deno of the development dependencies with the arguments given. Its own launcher
 * needs a postinstall script that Bun does not run, so the binary is found in its platform's package.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const scope = join(root, "node_modules", "@deno");
const platforms = existsSync(scope) ? readdirSync(scope) : [];
const binary = platforms.map((name) => join(scope, name, "deno")).find((path) => existsSync(path));
if (binary === undefined) {
  console.error("No Deno for this platform in node_modules/@deno; run `bun install` first");
  process.exitCode = 1;
} else {
  const { status, signal } = spawnSync(binary, process.argv.slice(2), {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, DENO_NO_UPDATE_CHECK: "1" },
  });
  process.exitCode = signal === null ? (status ?? 1) : 1;
}
