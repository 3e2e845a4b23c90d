/**
 * What main and an agent thread say to each other. Messages travel in batches: one transferred
 * buffer of entries (messaging/message-batch.ts). A ticket is the sender's number for an entry; the
 * other side answers it with an outcome (wire/outcome.ts), as a byte.
 */
import type { ErrorCode } from "../../base/errors.ts";
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { MessagePortLike } from "../../ports/threads.ts";
import type { PreparedModule } from "../../wasm/prepare.ts";
import type { TrapKind } from "../../wasm/trap.ts";
import type { AgentSpec, AgentStatus } from "../../wire/agent-spec.ts";
import type { Message } from "../../wire/message.ts";

export type ToAgentThread =
  | {
      readonly kind: "init";
      readonly node: NodeId;
      readonly thread: number;
      readonly seed: number;
      readonly store: MessagePortLike;
      /** Until when the node may act (cluster/leases/cell.ts), and the tenure that counts. */
      readonly lease: SharedArrayBuffer;
      readonly tenure: number;
      /** What linear memory the node's agents have (memory-budget.ts). */
      readonly memory: SharedArrayBuffer;
    }
  /** The node's lease is back, in this tenure. */
  | { readonly kind: "lease"; readonly tenure: number }
  /** Of the agents that go on without a lease, only the critical ones do from now on; or all of them again. */
  | { readonly kind: "critical-only"; readonly only: boolean }
  /** Of one turn of main. At most one of host, stop, suspend, resume is under way for an agent. */
  | { readonly kind: "hosts"; readonly hosts: readonly HostOrder[] }
  /**
   * A volatile agent's mail becomes dead letters. A durable one's stays in the store with its state, and with what
   * `save` gives unless `forget`: then main removes its records next.
   */
  | {
      readonly kind: "stop";
      readonly request: number;
      readonly agent: AgentName;
      readonly forget: boolean;
      /** A volatile agent takes no more mail, and has so long for what it has. */
      readonly finish_ms: number;
    }
  | { readonly kind: "suspend" | "resume"; readonly request: number; readonly agent: AgentName }
  | { readonly kind: "deliver"; readonly batch: Uint8Array }
  /**
   * Outcomes of a `send` batch of the thread. They free its window, no more: a message that could not be delivered
   * has been ended by the router (dead letter) before its outcome comes.
   */
  | { readonly kind: "outcomes"; readonly packed: Uint8Array }
  /**
   * Main carries older mail of agents here to those receivers, which this thread did not send: what the agents send to
   * them goes the same way, until `settled` (owed-mail.ts). Said before the agent's `host`.
   */
  | { readonly kind: "owed"; readonly receivers: readonly string[] }
  | { readonly kind: "settled"; readonly receiver: string }
  /** Totals of the thread, and the figures of those agents. */
  | { readonly kind: "stats"; readonly request: number; readonly agents: readonly AgentName[] }
  /** Handle what is running, commit, answer `stopped`, exit. */
  | { readonly kind: "shutdown"; readonly deadline_ms: number };

/** Start or replace an agent. */
export interface HostOrder {
  readonly request: number;
  readonly spec: AgentSpec;
  /** The thread keeps compiled modules by `moduleKey`; null when it was given it. */
  readonly module: PreparedModule | null;
  readonly suspended: boolean;
  /** The store has nothing of it, and is not asked. */
  readonly fresh: boolean;
}

/** To `host`, `stop`, `suspend` or `resume`. `needs_module`: say `host` again with the bytes. */
export interface ThreadAnswer {
  readonly request: number;
  readonly result: "done" | "needs_module" | { readonly code: ErrorCode; readonly detail: string };
}

export type FromAgentThread =
  | { readonly kind: "ready" }
  /** Of one turn of the thread. */
  | { readonly kind: "answers"; readonly answers: readonly ThreadAnswer[] }
  /** Messages of this thread's agents to receivers elsewhere. Flag 1: already in the outbox. */
  | { readonly kind: "send"; readonly batch: Uint8Array }
  | { readonly kind: "outcomes"; readonly packed: Uint8Array }
  | { readonly kind: "events"; readonly events: readonly AgentEvent[] }
  | { readonly kind: "stats"; readonly request: number; readonly stats: AgentThreadStats }
  /** The store refuses commits (`reason`), or takes them again (null). */
  | { readonly kind: "storage"; readonly reason: string | null }
  | { readonly kind: "stopped" };

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
  /** The thread ended a message itself: a dead letter, in the store with the next commit. */
  | {
      readonly kind: "dead_letter";
      readonly agent: AgentName;
      readonly reason: string;
      readonly detail: string;
      readonly at_ms: number;
      /** Without its content, when its sender is a client: that may be waiting. */
      readonly request: Message | null;
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
  /** Of the agents that were asked for and are here. */
  readonly agents: readonly AgentStats[];
  readonly agentsByStatus: Readonly<Record<AgentStatus, number>>;
  readonly inbox: number;
  readonly inbox_bytes: number;
  readonly memory_bytes: number;
  readonly traps: number;
  readonly restarts: number;
  readonly handled: number;
  readonly fuel: number;
  readonly trapsByKind: Readonly<Record<string, number>>;
  /** Accepted-to-handled times since the start: upper bounds in ms, and counts of each bucket (one more than bounds). */
  readonly latency: {
    readonly bounds_ms: readonly number[];
    readonly counts: readonly number[];
    readonly sum_ms: number;
  };
  readonly latency_p50_ms: number;
  readonly latency_p99_ms: number;
  /** Sent elsewhere and not answered yet. */
  readonly outgoing: number;
  /** Time to instantiate and init agents, most recent 512. */
  readonly startup_ms: readonly number[];
}
