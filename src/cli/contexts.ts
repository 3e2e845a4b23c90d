/** Saved nodes to talk to: `~/.config/caxton/contexts.json`, readable by its owner only. */
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import { nearest } from "../base/nearest.ts";

export interface SavedContext {
  readonly api: string;
  readonly token?: string;
  readonly data_dir?: string;
}

export interface Contexts {
  readonly current: string | null;
  readonly contexts: Readonly<Record<string, SavedContext>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

export function contextsPath(env: Environment): string {
  const base = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  return join(base, "caxton", "contexts.json");
}

export function readContexts(env: Environment): Contexts {
  const path = contextsPath(env);
  if (!existsSync(path)) return { current: null, contexts: {} };
  try {
    const saved = JSON.parse(readFileSync(path, "utf8")) as Contexts;
    const contexts = Object.assign(Object.create(null) as Record<string, SavedContext>, saved.contexts);
    return { current: saved.current ?? null, contexts };
  } catch (error) {
    throw new CaxtonError(
      "invalid_config",
      `${path}: cannot be read: ${reasonOf(error)}; delete it to begin anew`,
      {
        cause: error,
      },
    );
  }
}

export function writeContexts(env: Environment, contexts: Contexts): void {
  const path = contextsPath(env);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600 });
  chmodSync(fresh, 0o600);
  renameSync(fresh, path);
}

/** Of no saved node: the one whose data directory is here. */
export const localName = "local";

/** The saved node of that name. Throws `not_found` with the name that was perhaps meant. */
export function savedContext({ contexts }: Contexts, name: string): SavedContext {
  const found = contexts[name];
  if (found !== undefined) return found;
  const near = nearest(name, Object.keys(contexts));
  const hint = near === undefined ? "see caxton context list" : `did you mean ${near}?`;
  throw new CaxtonError("not_found", `There is no context ${quote(name)}: ${hint}`);
}
