/** An agent's code as a thread runs it: WebAssembly in production (wasm-handler.ts), a script in tests of the thread. */
import type { HostFunctions } from "../../wasm/host.ts";
import type { AgentSpec } from "../../wire/agent-spec.ts";

/** Every method may throw an `AgentTrap`; the instance is then thrown away. */
export interface Handler {
  init(): void;
  /** One checked message. The bytes are the host's; they are copied. */
  handle(message: Uint8Array): void;
  onTimer(id: number): void;
  /** Undefined when the module exports no `save`. */
  save(): Uint8Array | undefined;
  /** Whether the module exports `load`. */
  readonly loads: boolean;
  load(state: Uint8Array): void;
  /** It is not used again. */
  close(): void;
  readonly memory_bytes: number;
  /** Of the last call. */
  readonly fuelUsed: number;
}

/** Makes handlers of modules that the thread has. */
export interface HandlerSource {
  has(moduleKey: string): boolean;
  /** Throws an `AgentTrap` when instantiation traps. */
  create(spec: AgentSpec, calls: HostFunctions): Handler;
}
