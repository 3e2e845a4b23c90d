/**
 * A node's configuration from everything that may set it: flags, then the environment, then the
 * file, then defaults. Pure given its inputs. Everything wrong is told at once, a line each.
 */
import * as v from "valibot";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { formatHostPort } from "../base/host-port.ts";
import { readConfigFile } from "./config-file.ts";
import { readEnvironment } from "./environment.ts";
import { readFlags } from "./flags.ts";
import type { ConfigFlags } from "./flag-paths.ts";
import type { Key } from "./key.ts";
import { keysByPath } from "./keys.ts";
import type { Config } from "./keys.ts";
import { describeSource } from "./setting.ts";
import type { Problem, Setting, Source } from "./setting.ts";

export interface ConfigInputs {
  readonly flags: ConfigFlags;
  /** `--config`; without it CAXTON_CONFIG, then ./caxton.yaml, then /etc/caxton/config.yaml. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file, or null when there is none. Throws when it cannot be read. */
  readonly readFile: (path: string) => string | null;
}

/** A key's value and where it came from. `input` is as it was written. */
export interface EffectiveValue {
  readonly value: unknown;
  readonly input: unknown;
  readonly source: Source;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The file that was read, or null. */
  readonly file: string | null;
  /** Every key by its dotted path. */
  readonly values: ReadonlyMap<string, EffectiveValue>;
  /** A line each, to be logged at start. */
  readonly warnings: readonly string[];
}

export const defaultFiles = ["./caxton.yaml", "/etc/caxton/config.yaml"];

/** Throws `CaxtonError("invalid_config")` whose text has one line a problem. */
export function loadConfig(inputs: ConfigInputs): LoadedConfig {
  const file = findFile(inputs);
  const fromFile =
    file === null ? { settings: [], problems: [] } : readConfigFile(file.path, file.text, inputs.env);
  const fromEnvironment = readEnvironment(inputs.env);
  const problems: Problem[] = [...fromFile.problems, ...fromEnvironment.problems];
  // Later wins, so the order here is the precedence upside down.
  const settings = [...fromFile.settings, ...fromEnvironment.settings, ...readFlags(inputs.flags)];
  const values = new Map<string, EffectiveValue>();
  for (const [path, key] of keysByPath) values.set(path, defaultValue(key));
  for (const setting of settings) {
    const key = keysByPath.get(setting.path);
    if (key === undefined) continue;
    const result = v.safeParse(key.schema, setting.input);
    if (result.success)
      values.set(setting.path, { value: result.output, input: setting.input, source: setting.source });
    else problems.push(...result.issues.map((issue) => problemOf(setting, issue)));
  }
  if (problems.length === 0) problems.push(...crossProblems(values));
  if (problems.length > 0) throw invalid(problems);
  return {
    config: assemble(values),
    file: file === null ? null : file.path,
    values,
    warnings: inertWarnings(values),
  };
}

function findFile({
  file,
  env,
  readFile,
}: ConfigInputs): { readonly path: string; readonly text: string } | null {
  const named = file ?? (env["CAXTON_CONFIG"] === "" ? undefined : env["CAXTON_CONFIG"]);
  for (const path of named === undefined ? defaultFiles : [named]) {
    let text: string | null;
    try {
      text = readFile(path);
    } catch (error) {
      throw new CaxtonError("invalid_config", `${path}: cannot be read: ${reasonOf(error)}`, {
        cause: error,
      });
    }
    if (text !== null) return { path, text };
  }
  if (named !== undefined) throw new CaxtonError("invalid_config", `${named}: there is no such file`);
  return null;
}

function defaultValue(key: Key<unknown>): EffectiveValue {
  const value = key.fallback === undefined ? null : v.parse(key.schema, key.fallback);
  return { value, input: key.fallback ?? null, source: { kind: "default" } };
}

function problemOf(setting: Setting, issue: v.BaseIssue<unknown>): Problem {
  const inner = (issue.path ?? []).map((item) =>
    typeof item.key === "number" ? `[${item.key}]` : `.${String(item.key)}`,
  );
  return { source: setting.source, text: `${setting.path}${inner.join("")} ${sentence(issue.message)}` };
}

/** Rules read on after the key's name; other texts stand after a colon. */
function sentence(message: string): string {
  return message.startsWith("must ") ? message : `is wrong: ${message}`;
}

/** What only several keys together show. */
function crossProblems(values: ReadonlyMap<string, EffectiveValue>): Problem[] {
  const config = assemble(values);
  const problems: Problem[] = [];
  const complain = (path: string, text: string): void => {
    problems.push({ source: values.get(path)?.source ?? { kind: "default" }, text });
  };
  const { cert, key } = config.security.api.tls;
  if (cert !== null && key === null)
    complain("security.api.tls.cert", "security.api.tls.cert needs security.api.tls.key");
  if (key !== null && cert === null)
    complain("security.api.tls.key", "security.api.tls.key needs security.api.tls.cert");
  const { probe_interval, probe_timeout } = config.coordination.cluster;
  if (probe_interval !== null && probe_timeout !== null && probe_timeout >= probe_interval) {
    complain(
      "coordination.cluster.probe_timeout",
      "coordination.cluster.probe_timeout must be shorter than coordination.cluster.probe_interval",
    );
  }
  const api = formatHostPort(config.node.api_addr);
  if (config.node.api_addr.port !== 0 && api === formatHostPort(config.observability.metrics_addr)) {
    complain(
      "observability.metrics_addr",
      `observability.metrics_addr is ${api}, which node.api_addr has already`,
    );
  }
  const { default_fuel, max_fuel } = config.agents;
  if (max_fuel !== null && max_fuel < default_fuel) {
    complain(
      "agents.max_fuel",
      `agents.max_fuel is ${max_fuel}, less than agents.default_fuel (${default_fuel})`,
    );
  }
  const { key: clusterKey, key_file } = config.security.cluster;
  if (clusterKey !== null && key_file !== null) {
    complain("security.cluster.key", "security.cluster.key and security.cluster.key_file exclude each other");
  }
  return problems;
}

function inertWarnings(values: ReadonlyMap<string, EffectiveValue>): string[] {
  return [...values].flatMap(([path, { source }]) =>
    keysByPath.get(path)?.inert === true && source.kind !== "default"
      ? [`${describeSource(source)}: ${path} is accepted but has no effect in this version`]
      : [],
  );
}

function assemble(values: ReadonlyMap<string, EffectiveValue>): Config {
  const root: Record<string, unknown> = {};
  for (const [path, { value }] of values) {
    const words = path.split(".");
    let section = root;
    for (const word of words.slice(0, -1)) section = (section[word] ??= {}) as Record<string, unknown>;
    section[words.at(-1)] = value;
  }
  // `values` has every key of the tree, each checked by the schema that its type comes from.
  return root as unknown as Config;
}

function invalid(problems: readonly Problem[]): CaxtonError {
  const lines = problems.map(({ source, text }) => `${describeSource(source)}: ${text}`);
  return new CaxtonError("invalid_config", [...new Set(lines)].join("\n"));
}
