/**
 * Settings of the edge functions, from the `env` argument (workerd) or the process's environment (Bun,
 * Deno, Node). Nothing is read before the first request: some runtimes have no environment until then.
 */
import { CaxtonError } from "../../src/base/errors.ts";
import { quote } from "../../src/base/ids.ts";

const nodes_max = 32;

export interface Settings {
  /** Origins of nodes' APIs: `CAXTON_NODES=https://a:8080,https://b:8080`. */
  readonly nodes: readonly string[];
  /** The `iss` of the cluster's tokens, which is `caxton:` and `cluster.name`: `CAXTON_ISSUER=caxton:main`; empty when not set. */
  readonly issuer: string;
  /** `CAXTON_TOKEN`: lets the status function list members; empty when not set. */
  readonly token: string;
}

/** Throws `CaxtonError("invalid_config")` that says which variable is wrong. */
export function readSettings(env: unknown): Settings {
  const of = (name: string): string => variable(env, name).trim();
  const nodes = of("CAXTON_NODES")
    .split(",")
    .map((text) => text.trim())
    .filter((text) => text !== "");
  if (nodes.length === 0)
    throw new CaxtonError("invalid_config", "CAXTON_NODES is not set: it lists the nodes' API addresses");
  if (nodes.length > nodes_max)
    throw new CaxtonError("invalid_config", `CAXTON_NODES lists more than ${nodes_max} nodes`);
  return { nodes: [...new Set(nodes.map(originOf))], issuer: of("CAXTON_ISSUER"), token: of("CAXTON_TOKEN") };
}

function originOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !["http:", "https:"].includes(url.protocol) ||
    url.origin !== text.replace(/\/+$/, "")
  ) {
    throw new CaxtonError("invalid_config", `CAXTON_NODES: ${quote(text)} is not like https://node-1:8080`);
  }
  return url.origin;
}

function variable(env: unknown, name: string): string {
  const given = (env as Record<string, unknown> | null | undefined)?.[name];
  if (typeof given === "string") return given;
  const { process } = globalThis as {
    readonly process?: { readonly env?: Record<string, string | undefined> };
  };
  return process?.env?.[name] ?? "";
}
