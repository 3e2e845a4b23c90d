/** Runs modules as agents in tests: prepared, compiled, with a host that records what it was asked. */
import { capabilities } from "../../src/wire/agent-spec.ts";
import type { HostFunctions } from "../../src/wasm/host.ts";
import { AgentInstance } from "../../src/wasm/instance.ts";
import { prepareModule } from "../../src/wasm/prepare.ts";
import type { PreparedModule, PrepareOptions } from "../../src/wasm/prepare.ts";
import { AgentTrap } from "../../src/wasm/trap.ts";

export const mebibyte = 1_048_576;

export const allGranted: PrepareOptions = { granted: capabilities, limits: { memory_bytes: 64 * mebibyte } };

/** A host over plain maps; what the guest said is kept. */
export class RecordingHost implements HostFunctions {
  readonly logs: string[] = [];
  readonly sent: Uint8Array[] = [];
  readonly timers = new Map<number, number>();
  readonly state = new Map<string, Uint8Array>();
  #next = 0n;

  log(level: 0 | 1 | 2 | 3, text: Uint8Array): void {
    this.logs.push(`${level} ${latin1(text)}`);
  }
  send(message: Uint8Array): number {
    this.sent.push(message.slice());
    return 0;
  }
  now(): number {
    return 1_700_000_000_000;
  }
  random(): bigint {
    return this.#next++;
  }
  timerSet(id: number, delay_ms: number): number {
    this.timers.set(id, delay_ms);
    return 0;
  }
  timerCancel(id: number): number {
    this.timers.delete(id);
    return 0;
  }
  stateGet(key: Uint8Array): Uint8Array | undefined {
    return this.state.get(latin1(key));
  }
  stateSet(key: Uint8Array, value: Uint8Array): number {
    this.state.set(latin1(key), value.slice());
    return 0;
  }
  stateDelete(key: Uint8Array): number {
    this.state.delete(latin1(key));
    return 0;
  }
  stateNext(key: Uint8Array): Uint8Array | undefined {
    const after = latin1(key);
    const next = [...this.state.keys()].sort().find((candidate) => candidate > after);
    return next === undefined ? undefined : Uint8Array.from(next, (character) => character.charCodeAt(0));
  }
}

export function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

export interface RunOptions {
  readonly fuel?: number;
  readonly call_depth?: number;
  readonly host?: HostFunctions;
  readonly prepare?: PrepareOptions;
}

/** Prepares, compiles and instantiates. */
export function startAgent(bytes: Uint8Array, options: RunOptions = {}): AgentInstance {
  const prepared = prepareModule(bytes, options.prepare ?? allGranted);
  return instantiate(prepared, new WebAssembly.Module(prepared.instrumented), options);
}

export function instantiate(
  prepared: PreparedModule,
  module: WebAssembly.Module,
  options: RunOptions = {},
): AgentInstance {
  return AgentInstance.create(module, prepared, options.host ?? new RecordingHost(), {
    fuel: options.fuel ?? 50_000_000,
    call_depth: options.call_depth ?? 512,
  });
}

/** The trap that `call` ends in; throws when it ends otherwise. */
export function trapOf(call: () => void): AgentTrap {
  try {
    call();
  } catch (thrown) {
    if (thrown instanceof AgentTrap) return thrown;
    throw thrown;
  }
  throw new Error("the call ended without a trap");
}
