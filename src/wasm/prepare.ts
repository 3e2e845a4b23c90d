/**
 * From a module as uploaded to one that can be hosted: validated against the agent ABI and the
 * granted capabilities, then instrumented. A pure function of the bytes; hostile ones are refused
 * with `invalid_module`. prepare-thread.ts runs it beside the main thread.
 */
import type { Capability } from "../wire/agent-spec.ts";
import { exportSignatures, hostSignatures, importHint, importModule, isHostFunctionName } from "./abi.ts";
import type { ExportName, Signature } from "./abi.ts";
import { page_bytes } from "./limits.ts";
import { parseModule } from "./parse-module.ts";
import { functionType } from "./parsed-module.ts";
import type { FunctionType, ParsedModule } from "./parsed-module.ts";
import { refuse } from "./refusal.ts";
import { rewriteModule } from "./rewrite-module.ts";

export interface PrepareOptions {
  readonly granted: readonly Capability[];
  readonly limits: { readonly memory_bytes: number };
  /** Makes NaN bits the same on every machine, at a price for float-heavy agents; off by default. */
  readonly canonicalNans?: boolean;
}

/** Which of the optional functions an agent has. */
export interface AgentExports {
  readonly init: boolean;
  readonly save: boolean;
  readonly load: boolean;
  readonly on_timer: boolean;
  readonly initialize: boolean;
}

export interface PreparedModule {
  readonly instrumented: Uint8Array<ArrayBuffer>;
  /** Host functions it imports, each name once. */
  readonly imports: readonly string[];
  readonly exports: AgentExports;
  readonly memory: { readonly initial_pages: number; readonly maximum_pages: number };
}

/** Validates and instruments; throws `CaxtonError("invalid_module")` with what is wrong and what to do. */
export function prepareModule(bytes: Uint8Array, options: PrepareOptions): PreparedModule {
  const module = parseModule(bytes);
  checkImports(module, options.granted);
  checkExports(module);
  const memory = memoryOf(module, options.limits.memory_bytes);
  const instrumented = rewriteModule(module, {
    maximum_pages: memory.maximum_pages,
    canonicalNans: options.canonicalNans ?? false,
    allExports: false,
  });
  const has = (name: string): boolean => module.exports.has(name);
  return {
    instrumented,
    imports: [...new Set(module.imports.map((imported) => imported.name))],
    exports: {
      init: has("init"),
      save: has("save"),
      load: has("load"),
      on_timer: has("on_timer"),
      initialize: has("_initialize"),
    },
    memory,
  };
}

function matches(type: FunctionType, signature: Signature): boolean {
  const same = (a: Uint8Array, b: readonly number[]): boolean =>
    a.length === b.length && b.every((t, i) => t === a[i]);
  return same(type.params, signature.params) && same(type.results, signature.results);
}

function checkImports(module: ParsedModule, granted: readonly Capability[]): void {
  for (const imported of module.imports) {
    const full = `${imported.module}.${imported.name}`;
    if (imported.module !== importModule || !isHostFunctionName(imported.name)) {
      refuse(
        `it imports ${JSON.stringify(full)}, which the host does not have; ${importHint(imported.module)}`,
      );
    }
    const signature = hostSignatures[imported.name];
    if (!matches(module.types[imported.type] as FunctionType, signature)) {
      refuse(`it imports "${full}" with another signature; declare it as ${signature.text}`);
    }
    if (!granted.includes(signature.capability)) {
      const capability = signature.capability;
      refuse(
        `it imports "${full}", which needs the capability "${capability}"; grant it with --capability ${capability}`,
      );
    }
  }
}

function checkExports(module: ParsedModule): void {
  if (module.memory === null || module.exports.get("memory")?.kind !== "memory") {
    refuse('it does not export its memory; export it as "memory"');
  }
  for (const name of Object.keys(exportSignatures) as ExportName[]) {
    const signature = exportSignatures[name];
    const found = module.exports.get(name);
    if (found === undefined) {
      if (signature.required) refuse(`it does not export "${name}"; export ${signature.text}`);
      continue;
    }
    if (found.kind !== "function" || !matches(functionType(module, found.index), signature)) {
      refuse(`its export "${name}" is not ${signature.text}`);
    }
  }
}

function memoryOf(module: ParsedModule, limit_bytes: number): PreparedModule["memory"] {
  const declared = module.memory ?? { initial_pages: 0, maximum_pages: null };
  const cap_pages = Math.min(65_536, Math.floor(limit_bytes / page_bytes));
  if (declared.initial_pages > cap_pages) {
    const least = declared.initial_pages * page_bytes;
    refuse(
      `its memory begins at ${least} bytes and the limit is ${limit_bytes}; raise it with --memory or declare less`,
    );
  }
  return {
    initial_pages: declared.initial_pages,
    maximum_pages: Math.min(cap_pages, declared.maximum_pages ?? cap_pages),
  };
}
