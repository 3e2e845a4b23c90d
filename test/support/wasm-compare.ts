/**
 * Runs a module twice, as it is and instrumented, call by call. What differs is a defect of the
 * rewriter: the result or the kind of trap, and after each call all of the memory.
 */
import { controlExports } from "../../src/wasm/abi.ts";
import { agentMost } from "../../src/wire/agent-spec.ts";
import { parseModule } from "../../src/wasm/parse-module.ts";
import { rewriteModule } from "../../src/wasm/rewrite-module.ts";
import { classifyTrap } from "../../src/wasm/trap.ts";
import type { TrapKind } from "../../src/wasm/trap.ts";

type Value = number | bigint;
type Call = (...values: Value[]) => Value | Value[] | undefined;

export type Outcome =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "trap"; readonly trap: TrapKind; readonly text: string };

export interface InstrumentOptions {
  readonly canonicalNans?: boolean;
  readonly maximum_pages?: number;
}

/** Instruments without the checks of the ABI, keeping all exports. */
export function instrument(bytes: Uint8Array, options: InstrumentOptions = {}): Uint8Array<ArrayBuffer> {
  const module = parseModule(bytes);
  return rewriteModule(module, {
    maximum_pages: Math.min(module.memory?.maximum_pages ?? 1_024, options.maximum_pages ?? 1_024),
    canonicalNans: options.canonicalNans ?? false,
    allExports: true,
  });
}

export class Specimen {
  readonly #exports: Record<string, WebAssembly.ExportValue>;

  constructor(
    bytes: Uint8Array<ArrayBuffer> | WebAssembly.Module,
    imports: WebAssembly.Imports = {},
    readonly limits: { fuel: number; call_depth: number } = { fuel: 2_000_000_000, call_depth: 5_000 },
  ) {
    const module = bytes instanceof WebAssembly.Module ? bytes : new WebAssembly.Module(bytes);
    this.#exports = new WebAssembly.Instance(module, imports).exports;
    this.#control(controlExports.enter)?.(agentMost.fuel, limits.call_depth, 65_536);
    this.#control(controlExports.start)?.();
  }

  get functions(): string[] {
    const isCall = (name: string): boolean => typeof this.#exports[name] === "function";
    return Object.keys(this.#exports).filter((name) => isCall(name) && !name.startsWith("caxton:"));
  }

  call(name: string, ...values: Value[]): Outcome {
    this.#control(controlExports.enter)?.(this.limits.fuel, this.limits.call_depth, 65_536);
    try {
      return { kind: "value", value: (this.#exports[name] as Call)(...values) };
    } catch (thrown) {
      const reason = this.#control(controlExports.reason)?.() ?? 0;
      const trap = classifyTrap(thrown, Number(reason), this.limits);
      return { kind: "trap", trap: trap.kind, text: trap.detail };
    }
  }

  /** Fuel left after the last call; undefined when the module is not instrumented. */
  get fuel(): number | undefined {
    const left = this.#control(controlExports.fuel)?.();
    return left === undefined ? undefined : Number(left);
  }

  get memory(): Uint8Array {
    const memory = this.#exports["memory"];
    return memory instanceof WebAssembly.Memory ? new Uint8Array(memory.buffer) : new Uint8Array(0);
  }

  #control(name: string): Call | undefined {
    return this.#exports[name] as Call | undefined;
  }
}

/** What differs between two memories, where the second may have grown ahead; undefined when nothing does. */
export function memoryDifference(plain: Uint8Array, metered: Uint8Array): string | undefined {
  if (Buffer.compare(plain, metered.subarray(0, plain.length)) !== 0) return "memories differ";
  const rest = metered.subarray(plain.length);
  return Buffer.compare(rest, Buffer.alloc(rest.length)) === 0 ? undefined : "written beyond the memory";
}
