/**
 * Which node a command talks to, and as whom: flags, then the environment, then a saved context, then
 * the node whose data directory is here.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { isLoopback } from "../base/host-port.ts";
import { quote } from "../base/ids.ts";
import { localName, readContexts, savedContext } from "./contexts.ts";
import type { GlobalFlags } from "./global-flags.ts";

export const defaultApi = "http://127.0.0.1:8080";
export const defaultDataDir = "./data";

export interface Target {
  readonly api: string;
  /** Null when none was found. */
  readonly token: string | null;
  /** PEM of the cluster's own CA, for https. */
  readonly ca: string | undefined;
  readonly dataDir: string;
}

/** What a header can carry; whether it is good the node says. */
const tokenPattern = /^[!-~]{1,8192}$/;

type Environment = Readonly<Record<string, string | undefined>>;
type TargetFlags = Pick<GlobalFlags, "api" | "token" | "dataDir" | "context">;

export function findTarget(flags: TargetFlags, env: Environment): Target {
  const contexts = readContexts(env);
  const contextName = flags.context ?? (env["CAXTON_CONTEXT"] || undefined);
  const wantsLocal = contextName === localName;
  if (contextName !== undefined && !wantsLocal) savedContext(contexts, contextName);
  const explicit = flags.api !== undefined || flags.dataDir !== undefined;
  const current = contextName ?? (explicit ? undefined : (contexts.current ?? undefined));
  const context = current === undefined || wantsLocal ? undefined : contexts.contexts[current];
  const dataDir =
    flags.dataDir ?? (env["CAXTON_NODE__DATA_DIR"] || undefined) ?? context?.data_dir ?? defaultDataDir;
  const given = flags.api ?? (env["CAXTON_API"] || undefined) ?? context?.api ?? localApi(dataDir);
  const url = parseApi(given ?? defaultApi);
  const token = flags.token ?? (env["CAXTON_TOKEN"] || undefined) ?? context?.token;
  const named = flags.dataDir !== undefined || context?.data_dir !== undefined;
  // A token found by itself goes neither over a network in clear nor to an address that only happens to be given.
  const mayUseLocal = named || isLoopback(url.hostname.replaceAll(/[[\]]/g, "")) || url.protocol === "https:";
  if (token !== undefined && !tokenPattern.test(token))
    throw new CaxtonError(
      "invalid_argument",
      "The token is not one line of letters, digits, '.', '_' and '-'",
    );
  const found = token ?? (mayUseLocal ? readSecret(join(dataDir, "admin.token")) : undefined);
  // Whoever else listens on the default port must not get this node's token.
  if (given === undefined && token === undefined && found !== undefined) {
    throw new CaxtonError(
      "unreachable",
      `The node of ${quote(resolve(dataDir))} is not running: start it (caxton server start), or say --api`,
    );
  }
  return {
    api: url.href.replace(/\/$/, ""),
    token: found ?? null,
    ca: url.protocol === "https:" ? readText(join(dataDir, "ca.pem")) : undefined,
    dataDir,
  };
}

/** The address that the node of this data directory last listened on. */
export function localApi(dataDir: string): string | undefined {
  return readText(join(dataDir, "api.address"));
}

function parseApi(api: string): URL {
  const hasScheme = /^[a-z]+:\/\//.test(api);
  const text = hasScheme ? api : `http://${api}`;
  // A lone word may be anything, the name of a context for one.
  const isAddress = URL.canParse(text) && (hasScheme || /:\d+\/?$/.test(api));
  const url = isAddress ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new CaxtonError(
      "invalid_argument",
      `API address ${quote(api)} is not like http://127.0.0.1:8080 or 10.0.0.1:8080`,
    );
  }
  return url;
}

/** The file's text without its line end; undefined when there is none, or it may not be read. */
function readText(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8").trim();
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  }
}

/** As `readText`, but a file that is there and may not be read is refused: the user is the wrong one. */
function readSecret(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8").trim();
    return text === "" ? undefined : text;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new CaxtonError(
      "forbidden",
      `Cannot read ${quote(path)}: ${reasonOf(error)}; run as the node's user`,
      {
        cause: error,
      },
    );
  }
}
