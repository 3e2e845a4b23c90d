/** The compiled modules of an agent thread, by `moduleKey`: a bounded cache, and what makes running instances of them. */
import { assert } from "../../base/assert.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { HostFunctions } from "../../wasm/host.ts";
import { AgentInstance } from "../../wasm/instance.ts";
import type { PreparedModule } from "../../wasm/prepare.ts";
import type { AgentSpec } from "../../wire/agent-spec.ts";
import type { ThreadModules } from "./agent-thread.ts";
import type { Handler } from "./handler.ts";
import type { ThreadMemory } from "../memory-budget.ts";
import { moduleKey } from "../module-key.ts";

/** Nested calls of a guest; what the instrumentation counts. */
const callDepth = 512;
/** Compiled modules without an agent that are kept; ones in use are kept whatever their number. */
const idleModulesLimit = 64;

interface Compiled {
  readonly module: WebAssembly.Module;
  readonly shape: Pick<PreparedModule, "imports" | "exports" | "memory">;
}

export class WasmModules implements ThreadModules {
  readonly #modules = new Map<string, Compiled>();
  readonly #memory: ThreadMemory;

  constructor(memory: ThreadMemory) {
    this.#memory = memory;
  }

  sliceEnded(): void {
    this.#memory.sliceEnded();
  }

  has(key: string): boolean {
    return this.#modules.has(key);
  }

  async add(key: string, prepared: PreparedModule, inUse: () => ReadonlySet<string>): Promise<void> {
    try {
      const module = await WebAssembly.compile(prepared.instrumented);
      const { imports, exports, memory } = prepared;
      this.#modules.set(key, { module, shape: { imports, exports, memory } });
    } catch (error) {
      throw new CaxtonError("invalid_module", `The instrumented module does not compile: ${reasonOf(error)}`);
    }
    if (this.#modules.size > idleModulesLimit) this.#evict(key, inUse());
  }

  create(spec: AgentSpec, host: HostFunctions): Handler {
    const key = moduleKey(spec);
    const compiled = this.#modules.get(key);
    assert(compiled !== undefined, "the module of a hosted agent is compiled");
    const limits = { fuel: spec.limits.fuel, call_depth: callDepth };
    const memory = { ...compiled.shape.memory, grant: this.#memory };
    const instance = AgentInstance.create(compiled.module, compiled.shape, host, limits, memory);
    return new WasmHandler(instance, compiled.shape.exports.load);
  }

  /** The oldest that no agent uses goes. */
  #evict(added: string, used: ReadonlySet<string>): void {
    for (const key of this.#modules.keys()) {
      if (this.#modules.size <= idleModulesLimit) return;
      if (key !== added && !used.has(key)) this.#modules.delete(key);
    }
  }
}

class WasmHandler implements Handler {
  constructor(
    private readonly instance: AgentInstance,
    readonly loads: boolean,
  ) {}

  get memory_bytes(): number {
    return this.instance.memory_bytes;
  }

  get fuelUsed(): number {
    return this.instance.fuelUsed;
  }

  init(): void {
    this.instance.init();
  }

  handle(message: Uint8Array): void {
    this.instance.handle(message);
  }

  onTimer(id: number): void {
    this.instance.onTimer(id);
  }

  save(): Uint8Array | undefined {
    return this.instance.save();
  }

  load(state: Uint8Array): void {
    this.instance.load(state);
  }

  close(): void {
    this.instance.close();
  }
}
