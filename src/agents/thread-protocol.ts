/**
 * What main and an agent thread say to each other. Messages travel in batches: one transferred
 * buffer of entries, each `u32 ticket` then an encoded message (which carries its own length).
 * A ticket is the sender's number for an entry; the other side answers it with an outcome
 * (wire/outcome.ts), as a byte.
 */
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import type { MessagePortLike } from "../ports/threads.ts";
import type { AgentSpec, AgentStatus } from "../wire/agent-spec.ts";

export type ToAgentThread =
  | {
      readonly kind: "init";
      readonly node: NodeId;
      readonly thread: number;
      readonly seed: number;
      readonly store: MessagePortLike;
    }
  /** Start or replace an agent. `wasm` is instrumented; the thread keeps a compiled module a hash. */
  | {
      readonly kind: "host";
      readonly request: number;
      readonly spec: AgentSpec;
      readonly wasm: Uint8Array | null;
      readonly suspended: boolean;
    }
  /** `forget`: its durable records go too, its mail becomes dead letters. */
  | { readonly kind: "stop"; readonly request: number; readonly agent: AgentName; readonly forget: boolean }
  | { readonly kind: "suspend" | "resume"; readonly request: number; readonly agent: AgentName }
  | { readonly kind: "deliver"; readonly batch: Uint8Array }
  /** Outcomes of a `send` batch of the thread: pairs of u32 ticket and u8 outcome, packed. */
  | { readonly kind: "outcomes"; readonly packed: Uint8Array }
  | { readonly kind: "stats"; readonly request: number }
  /** Handle what is running, commit, answer `stopped`, exit. */
  | { readonly kind: "shutdown"; readonly deadline_ms: number };

export type FromAgentThread =
  | { readonly kind: "ready" }
  /** Answers `host` (null `error`), `stop`, `suspend`, `resume`. `needs_module`: say `host` again with the bytes. */
  | {
      readonly kind: "done";
      readonly request: number;
      readonly error: { readonly code: string; readonly detail: string } | null;
    }
  | { readonly kind: "needs_module"; readonly request: number; readonly module: ModuleHash }
  /** Messages of this thread's agents to receivers elsewhere. Flag byte before each ticket: 1 = already in the outbox. */
  | { readonly kind: "send"; readonly batch: Uint8Array }
  | { readonly kind: "outcomes"; readonly packed: Uint8Array }
  | { readonly kind: "agent"; readonly event: AgentEvent }
  | { readonly kind: "stats"; readonly request: number; readonly stats: AgentThreadStats }
  | { readonly kind: "stopped" };

export type TrapKind =
  | "fuel"
  | "call_depth"
  | "memory"
  | "table"
  | "unreachable"
  | "out_of_bounds"
  | "arithmetic"
  | "indirect_call"
  | "abi"
  | "other";

export type AgentEvent =
  | {
      readonly kind: "status";
      readonly agent: AgentName;
      readonly status: AgentStatus;
      readonly reason: string;
      readonly at_ms: number;
    }
  | {
      readonly kind: "trap";
      readonly agent: AgentName;
      readonly trap: TrapKind;
      readonly detail: string;
      readonly at_ms: number;
    }
  | {
      readonly kind: "log";
      readonly agent: AgentName;
      readonly level: "debug" | "info" | "warn" | "error";
      readonly text: string;
      readonly at_ms: number;
    }
  /** The thread ended a message itself: it is in the dead letters, durably. */
  | {
      readonly kind: "dead_letter";
      readonly agent: AgentName;
      readonly reason: string;
      readonly at_ms: number;
    };

export interface AgentStats {
  readonly agent: AgentName;
  readonly status: AgentStatus;
  readonly inbox: number;
  readonly inbox_bytes: number;
  readonly memory_bytes: number;
  readonly handled: number;
  readonly traps: number;
  readonly restarts: number;
}

export interface AgentThreadStats {
  readonly agents: readonly AgentStats[];
  readonly handled: number;
  readonly fuel: number;
  readonly trapsByKind: Readonly<Record<string, number>>;
  /** Accepted-to-handled times: upper bounds in ms and counts, cumulative, for the Prometheus histogram. */
  readonly latency: {
    readonly bounds_ms: readonly number[];
    readonly counts: readonly number[];
    readonly sum_ms: number;
  };
  readonly latency_p50_ms: number;
  readonly latency_p99_ms: number;
  /** Time to instantiate and init agents, most recent 512. */
  readonly startup_ms: readonly number[];
}
