/**
 * The agent ABI as tables: what the host offers for each capability, what a module must and may
 * export. Checked at upload; the host's side is host.ts. Described in wasm-agents/README.md.
 */
import type { Capability } from "../wire/agent-spec.ts";

/** Value types by their byte in a module. */
export const valueTypes = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
  funcref: 0x70,
  externref: 0x6f,
} as const;

const { i32, i64, f64 } = valueTypes;

export interface Signature {
  readonly params: readonly number[];
  readonly results: readonly number[];
  /** As a person reads it, names included. */
  readonly text: string;
}

export interface HostSignature extends Signature {
  readonly capability: Capability;
  /**
   * What a call costs beside the bytes that it gives. Measured (bench/host-calls.ts): no call takes its thread
   * longer for its fuel than twice what an empty loop does, the code that takes longest for it.
   */
  readonly fuel: number;
}

export const importModule = "caxton";

export const hostSignatures = {
  log: {
    capability: "log",
    fuel: 300,
    params: [i32, i32, i32],
    results: [],
    text: "log(level: i32, ptr: i32, len: i32)",
  },
  send: {
    capability: "send",
    fuel: 5_000,
    params: [i32, i32],
    results: [i32],
    text: "send(ptr: i32, len: i32) -> i32",
  },
  now: { capability: "time", fuel: 100, params: [], results: [f64], text: "now() -> f64" },
  random: { capability: "random", fuel: 300, params: [], results: [i64], text: "random() -> i64" },
  timer_set: {
    capability: "timer",
    fuel: 300,
    params: [i32, f64],
    results: [i32],
    text: "timer_set(id: i32, delay_ms: f64) -> i32",
  },
  timer_cancel: {
    capability: "timer",
    fuel: 100,
    params: [i32],
    results: [i32],
    text: "timer_cancel(id: i32) -> i32",
  },
  state_get: {
    capability: "state",
    fuel: 300,
    params: [i32, i32, i32, i32],
    results: [i32],
    text: "state_get(kptr: i32, klen: i32, vptr: i32, vcap: i32) -> i32",
  },
  state_set: {
    capability: "state",
    fuel: 2_000,
    params: [i32, i32, i32, i32],
    results: [i32],
    text: "state_set(kptr: i32, klen: i32, vptr: i32, vlen: i32) -> i32",
  },
  state_delete: {
    capability: "state",
    fuel: 2_000,
    params: [i32, i32],
    results: [i32],
    text: "state_delete(kptr: i32, klen: i32) -> i32",
  },
  state_next: {
    capability: "state",
    fuel: 600,
    params: [i32, i32, i32, i32],
    results: [i32],
    text: "state_next(kptr: i32, klen: i32, outptr: i32, outcap: i32) -> i32",
  },
} as const satisfies Record<string, HostSignature>;

export type HostFunctionName = keyof typeof hostSignatures;

export function isHostFunctionName(text: string): text is HostFunctionName {
  return Object.hasOwn(hostSignatures, text);
}

/** What a call of an import costs; what the host does not have is refused before it matters. */
export function hostCallFuel(name: string): number {
  return isHostFunctionName(name) ? hostSignatures[name].fuel : 100;
}

export interface ExportSignature extends Signature {
  readonly required: boolean;
}

/** The functions a module exports for the host; `memory` is beside them. */
export const exportSignatures = {
  alloc: { required: true, params: [i32], results: [i32], text: "alloc(len: i32) -> i32" },
  handle: { required: true, params: [i32, i32], results: [], text: "handle(ptr: i32, len: i32)" },
  init: { required: false, params: [], results: [], text: "init()" },
  save: { required: false, params: [], results: [i64], text: "save() -> i64" },
  load: { required: false, params: [i32, i32], results: [], text: "load(ptr: i32, len: i32)" },
  on_timer: { required: false, params: [i32], results: [], text: "on_timer(id: i32)" },
  _initialize: { required: false, params: [], results: [], text: "_initialize()" },
} as const satisfies Record<string, ExportSignature>;

export type ExportName = keyof typeof exportSignatures;

/** What the rewriter exports for the host beside the guest's functions. */
export const controlExports = {
  /** `(fuel: i32, depth: i32)`: opens a call's budget and clears the trap reason. */
  enter: "caxton:enter",
  /** `() -> i32`: fuel that is left. */
  fuel: "caxton:fuel",
  /** `() -> i32`: see `trapReasons`. */
  reason: "caxton:reason",
  /** `(units: i32)`: charges fuel, traps when there is too little. */
  charge: "caxton:charge",
  /** `(slot: i32) -> i64` and `(slot: i32, bits: i64)`: the mutable globals, for snapshots. */
  slotGet: "caxton:slot-get",
  slotSet: "caxton:slot-set",
  /** The guest's start function, when it has one: the host runs it once, under fuel. */
  start: "caxton:start",
} as const;

/** Custom section of an instrumented module: version byte, then u32 number of slots. */
export const controlSection = { name: "caxton", version: 1 } as const;

const hints: Readonly<Record<string, string>> = {
  wasi_snapshot_preview1:
    "agents have no WASI; build for wasm32-unknown-unknown, without a libc that needs it",
  wasi_unstable: "agents have no WASI; build for wasm32-unknown-unknown, without a libc that needs it",
  env: "link every function in (AssemblyScript: --use abort=; C: provide the missing function)",
  wbg: "build without wasm-bindgen",
  __wbindgen_placeholder__: "build without wasm-bindgen",
};

/** What to do about an import that the host does not have. */
export function importHint(module: string): string {
  if (module === importModule) return `it offers ${Object.keys(hostSignatures).join(", ")}`;
  return hints[module] ?? `only the module "${importModule}" can be imported`;
}
