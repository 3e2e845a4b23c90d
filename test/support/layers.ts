/**
 * The order of the folders, as a check. A module imports its own folder and earlier ones; there are
 * no cycles, type-only imports included; pure folders touch no world; the portable core reaches no
 * runtime's own modules. Reads the syntax tree, so comments and strings do not confuse it.
 */
import { posix } from "node:path";
import { parseSync } from "@swc/core";

/** First to last: what `src/README.md` draws. `functions` is the top-level folder of edge entries. */
export const layers: readonly string[] = (
  "base wire swim raft fipa placement ownership ports telemetry config platform store security control " +
  "cluster replication wasm messaging agents interop operations api dashboard client functions node " +
  "simulation benchmark cli"
).split(" ");

const pureFolders = new Set(["base", "wire", "swim", "raft", "fipa", "placement", "ownership"]);
const portableFolders = new Set(["api", "client", "functions"]);
const ambientNames = new Set(["Promise", "Bun", "process", "console", "crypto", "performance", "globalThis"]);

interface Import {
  readonly specifier: string;
  /** False for what is erased at run time. */
  readonly value: boolean;
  readonly reexport: boolean;
  /** `new URL("./thread.ts", import.meta.url)`: starts another module graph, so it closes no cycle. */
  readonly thread: boolean;
}

interface Module {
  readonly path: string;
  readonly folder: string;
  readonly imports: readonly Import[];
  readonly impurities: readonly string[];
}

/** `sources` maps paths like `src/base/ids.ts` to their text. Each violation is one line. */
export function checkLayers(sources: ReadonlyMap<string, string>): {
  readonly modules: number;
  readonly violations: readonly string[];
} {
  const modules = new Map<string, Module>();
  for (const [path, source] of sources) modules.set(path, readModule(path, source));
  const violations: string[] = [];
  for (const module of modules.values()) {
    violations.push(...ownViolations(module));
    for (const specifier of runtimeModules(module, modules)) {
      violations.push(`${module.path}: reaches ${specifier}, and must run on every runtime`);
    }
  }
  for (const cycle of findCycles(modules)) violations.push(`${cycle.join(" -> ")}: a cycle`);
  return { modules: modules.size, violations };
}

function readModule(path: string, source: string): Module {
  const parts = path.split("/");
  const folder = parts[0] === "functions" ? "functions" : (parts[1] ?? "");
  const imports: Import[] = [];
  const impurities = new Set<string>();
  visit(parseSync(source, { syntax: "typescript", target: "esnext" }), (node) => {
    const found = importOf(node);
    if (found !== undefined) imports.push(found);
    const impurity = impurityOf(node);
    if (impurity !== undefined) impurities.add(impurity);
  });
  return { path, folder, imports, impurities: [...impurities] };
}

function ownViolations(module: Module): string[] {
  const violations: string[] = [];
  const rank = rankOf(module.folder);
  if (rank < 0) violations.push(`${module.path}: the folder "${module.folder}" has no place in the order`);
  if (posix.basename(module.path) === "index.ts") violations.push(`${module.path}: a barrel; name the noun`);
  if (pureFolders.has(module.folder)) {
    for (const impurity of module.impurities) violations.push(`${module.path}: ${impurity} in a pure folder`);
  }
  for (const { specifier, reexport } of module.imports) {
    if (reexport) violations.push(`${module.path}: re-exports ${specifier}`);
    if (!specifier.startsWith(".")) {
      if (pureFolders.has(module.folder))
        violations.push(`${module.path}: imports ${specifier} in a pure folder`);
      continue;
    }
    const target = resolve(module.path, specifier);
    if (!target.endsWith(".ts")) {
      if (!/\.[a-z]+$/.test(target))
        violations.push(`${module.path}: imports ${specifier} without its extension`);
      continue;
    }
    const folder = target.split("/")[0] === "functions" ? "functions" : (target.split("/")[1] ?? "");
    if (!/^(?:src|functions)\//.test(target))
      violations.push(`${module.path}: imports ${target}, outside src`);
    else if (rankOf(folder) > rank) violations.push(`${module.path}: imports ${target}, a later folder`);
  }
  return violations;
}

/** `node:…`, `bun:…` and the like that a module of the portable core would load, itself or through others. */
function runtimeModules(start: Module, modules: ReadonlyMap<string, Module>): Set<string> {
  const reached = new Set<string>();
  if (!portableFolders.has(start.folder)) return reached;
  const seen = new Set([start.path]);
  const queue = [start];
  for (let module = queue.pop(); module !== undefined; module = queue.pop()) {
    for (const { specifier, value } of module.imports) {
      if (!value) continue;
      if (/^(?:node:|bun:|bun$|hono\/(?:bun|deno|cloudflare)|@libsql\/|libsql$)/.test(specifier)) {
        reached.add(module === start ? specifier : `${specifier} through ${module.path}`);
      }
      const next = specifier.startsWith(".") ? modules.get(resolve(module.path, specifier)) : undefined;
      if (next === undefined || seen.has(next.path)) continue;
      seen.add(next.path);
      queue.push(next);
    }
  }
  return reached;
}

/** Each strongly connected group once, as a closed path (depth-first search with colours). */
function findCycles(modules: ReadonlyMap<string, Module>): string[][] {
  const done = new Set<string>();
  const path: string[] = [];
  const cycles: string[][] = [];
  const walk = (module: Module): void => {
    const at = path.indexOf(module.path);
    if (at >= 0) {
      cycles.push([...path.slice(at), module.path]);
      return;
    }
    if (done.has(module.path)) return;
    path.push(module.path);
    for (const { specifier, thread } of module.imports) {
      const next = specifier.startsWith(".") ? modules.get(resolve(module.path, specifier)) : undefined;
      if (next !== undefined && !thread) walk(next);
    }
    path.pop();
    done.add(module.path);
  };
  for (const module of modules.values()) walk(module);
  return cycles;
}

function rankOf(folder: string): number {
  return layers.indexOf(folder);
}

function resolve(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier);
}

interface SyntaxNode {
  readonly type: string;
  readonly [key: string]: unknown;
}

function visit(value: unknown, see: (node: SyntaxNode) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) visit(item, see);
  } else if (typeof value === "object" && value !== null) {
    if ("type" in value && typeof value.type === "string") see(value as SyntaxNode);
    for (const child of Object.values(value)) visit(child, see);
  }
}

function importOf(node: SyntaxNode): Import | undefined {
  switch (node.type) {
    case "ImportDeclaration": {
      const specifiers = node["specifiers"] as readonly { readonly isTypeOnly?: boolean }[];
      const erased = specifiers.length > 0 && specifiers.every((one) => one.isTypeOnly === true);
      return importing(node["source"], node["typeOnly"] !== true && !erased);
    }
    case "ExportAllDeclaration":
    case "ExportNamedDeclaration": {
      const found = importing(node["source"], node["typeOnly"] !== true);
      return found && { ...found, reexport: true };
    }
    case "TsImportType":
      return importing(node["argument"], false);
    case "TsExternalModuleReference":
      return importing(node["expression"], true);
    case "CallExpression":
      return typeOf(node["callee"]) === "Import" ? importing(argument(node, 0), true) : undefined;
    case "NewExpression": {
      if (nameOf(node["callee"]) !== "URL" || argument(node, 1) === undefined) return undefined;
      const found = importing(argument(node, 0), false);
      return found?.specifier.startsWith(".") === true ? { ...found, thread: true } : undefined;
    }
    default:
      return undefined;
  }
}

/** What the pure tsconfig cannot refuse, because ECMAScript itself has it. */
function impurityOf(node: SyntaxNode): string | undefined {
  switch (node.type) {
    case "MemberExpression": {
      const text = `${nameOf(node["object"])}.${nameOf(node["property"])}`;
      return text === "Math.random" || text === "Date.now" ? text : undefined;
    }
    case "NewExpression":
      return nameOf(node["callee"]) === "Date" && argument(node, 0) === undefined ? "new Date()" : undefined;
    case "AwaitExpression":
      return "await";
    case "Identifier":
      return ambientNames.has(nameOf(node)) ? nameOf(node) : undefined;
    default:
      return node["async"] === true ? "an async function" : undefined;
  }
}

function importing(source: unknown, value: boolean): Import | undefined {
  if (typeOf(source) !== "StringLiteral") return undefined;
  return { specifier: String((source as SyntaxNode)["value"]), value, reexport: false, thread: false };
}

function argument(node: SyntaxNode, index: number): unknown {
  const list = node["arguments"] as readonly { readonly expression: unknown }[] | null | undefined;
  return list?.[index]?.expression;
}

function typeOf(node: unknown): string {
  return typeof node === "object" && node !== null ? (node as SyntaxNode).type : "";
}

function nameOf(node: unknown): string {
  return typeOf(node) === "Identifier" ? String((node as SyntaxNode)["value"]) : "";
}
