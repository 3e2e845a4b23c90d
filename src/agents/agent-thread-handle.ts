/**
 * Main's end of one agent thread: requests with their answers, batches of messages with their
 * outcomes. When the thread ends, whatever was open ends with it: requests reject, deliveries are
 * `unreachable` (the router sends them again).
 */
import { CaxtonError } from "../base/errors.ts";
import { unreachable } from "../base/assert.ts";
import type { AgentName } from "../base/ids.ts";
import {
  flagInOutbox,
  BatchWriter,
  OutcomeWriter,
  readBatch,
  readOutcomes,
} from "../messaging/message-batch.ts";
import type { Thread } from "../ports/threads.ts";
import type { PreparedModule } from "../wasm/prepare.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import type { Outcome } from "../wire/outcome.ts";
import type {
  AgentEvent,
  AgentThreadStats,
  FromAgentThread,
  HostOrder,
  ToAgentThread,
} from "./thread/thread-protocol.ts";

/** Delivered to the thread and not answered yet; beyond it the router is told `queue_full`. */
const deliveriesLimit = 65_536;
const deliveriesLimit_bytes = 128 * 1024 * 1024;
/** A batch leaves when it has this much, else at the end of the turn. */
const batchTarget_bytes = 512 * 1024;

export type AgentThreadPort = Thread<FromAgentThread, ToAgentThread>;

export interface HandleEvents {
  readonly ready: () => void;
  readonly stopped: () => void;
  readonly ended: (error: Error | undefined) => void;
  readonly agents: (events: readonly AgentEvent[]) => void;
  readonly storage: (reason: string | null) => void;
  /** A message of one of its agents; `done` must be called once. */
  readonly sent: (message: Uint8Array, inOutbox: boolean, done: (outcome: Outcome) => void) => void;
}

interface Waiter {
  readonly resolve: (value: "done" | "needs_module" | AgentThreadStats) => void;
  readonly reject: (error: Error) => void;
}

interface Delivery {
  readonly size: number;
  readonly done: (outcome: Outcome) => void;
}

export class AgentThreadHandle {
  readonly #port: AgentThreadPort;
  readonly #events: HandleEvents;
  readonly #waiters = new Map<number, Waiter>();
  readonly #deliveries = new Map<number, Delivery>();
  #deliveries_bytes = 0;
  readonly #batch = new BatchWriter();
  readonly #outcomes = new OutcomeWriter();
  /** Of this turn. */
  #hosts: HostOrder[] = [];
  #request = 0;
  #ticket = 0;
  #flushSet = false;
  #ended = false;

  constructor(port: AgentThreadPort, events: HandleEvents) {
    this.#port = port;
    this.#events = events;
    port.receive((message) => this.#receive(message));
    port.ended((error) => this.#end(error));
  }

  init(init: Omit<Extract<ToAgentThread, { kind: "init" }>, "kind">): void {
    this.#port.post({ kind: "init", ...init }, [init.store]);
  }

  leaseHeld(tenure: number): void {
    this.#post({ kind: "lease", tenure });
  }

  criticalOnly(only: boolean): void {
    this.#post({ kind: "critical-only", only });
  }

  owe(receivers: readonly string[]): void {
    if (receivers.length > 0) this.#post({ kind: "owed", receivers });
  }

  settled(receiver: string): void {
    if (!this.#ended) this.#post({ kind: "settled", receiver });
  }

  host(
    spec: AgentSpec,
    module: PreparedModule | null,
    suspended: boolean,
    fresh: boolean,
  ): Promise<"done" | "needs_module"> {
    return this.#ask((request) => {
      this.#hosts.push({ request, spec, module, suspended, fresh });
      this.#schedule();
    }) as Promise<"done" | "needs_module">;
  }

  async stop(agent: AgentName, forget: boolean, finish_ms: number): Promise<void> {
    await this.#ask((request) => this.#post({ kind: "stop", request, agent, forget, finish_ms }));
  }

  async suspend(agent: AgentName): Promise<void> {
    await this.#ask((request) => this.#post({ kind: "suspend", request, agent }));
  }

  async resume(agent: AgentName): Promise<void> {
    await this.#ask((request) => this.#post({ kind: "resume", request, agent }));
  }

  stats(agents: readonly AgentName[]): Promise<AgentThreadStats> {
    return this.#ask((request) =>
      this.#post({ kind: "stats", request, agents }),
    ) as Promise<AgentThreadStats>;
  }

  shutdown(deadline_ms: number): void {
    this.#flush();
    this.#port.post({ kind: "shutdown", deadline_ms });
  }

  terminate(): Promise<void> {
    return this.#port.terminate();
  }

  deliver(message: Uint8Array, done: (outcome: Outcome) => void): void {
    if (this.#ended) {
      done("unreachable");
      return;
    }
    const size = message.length;
    if (this.#deliveries.size >= deliveriesLimit || this.#deliveries_bytes + size > deliveriesLimit_bytes) {
      done("queue_full");
      return;
    }
    this.#ticket = this.#ticket === 0xffff_ffff ? 1 : this.#ticket + 1;
    this.#deliveries.set(this.#ticket, { size, done });
    this.#deliveries_bytes += size;
    this.#batch.add(0, this.#ticket, message);
    if (this.#batch.size_bytes >= batchTarget_bytes) this.#flush();
    else this.#schedule();
  }

  #receive(message: FromAgentThread): void {
    if (this.#ended) return;
    switch (message.kind) {
      case "ready":
        this.#events.ready();
        break;
      case "answers":
        for (const { request, result } of message.answers) {
          this.#answered(request, (waiter) => {
            if (typeof result === "string") waiter.resolve(result);
            else waiter.reject(new CaxtonError(result.code, result.detail));
          });
        }
        break;
      case "stats":
        this.#answered(message.request, (waiter) => waiter.resolve(message.stats));
        break;
      case "send":
        this.#sent(message.batch);
        break;
      case "outcomes":
        readOutcomes(message.packed, (ticket, outcome) => this.#delivered(ticket, outcome));
        break;
      case "events":
        this.#events.agents(message.events);
        break;
      case "storage":
        this.#events.storage(message.reason);
        break;
      case "stopped":
        this.#events.stopped();
        break;
      default:
        unreachable(message);
    }
  }

  #sent(batch: Uint8Array): void {
    readBatch(batch, (flags, ticket, message) => {
      this.#events.sent(message, (flags & flagInOutbox) !== 0, (outcome) => {
        if (this.#ended) return;
        this.#outcomes.add(ticket, outcome);
        this.#schedule();
      });
    });
  }

  #delivered(ticket: number, outcome: Outcome): void {
    const delivery = this.#deliveries.get(ticket);
    if (delivery === undefined) return;
    this.#deliveries.delete(ticket);
    this.#deliveries_bytes -= delivery.size;
    delivery.done(outcome);
  }

  #ask(send: (request: number) => void): Promise<"done" | "needs_module" | AgentThreadStats> {
    if (this.#ended)
      return Promise.reject(new CaxtonError("unavailable", "The agent thread has ended; it restarts"));
    const request = ++this.#request;
    return new Promise((resolve, reject) => {
      this.#waiters.set(request, { resolve, reject });
      send(request);
    });
  }

  #answered(request: number, answer: (waiter: Waiter) => void): void {
    const waiter = this.#waiters.get(request);
    this.#waiters.delete(request);
    if (waiter !== undefined) answer(waiter);
  }

  /** Behind what it was told to host before. */
  #post(message: ToAgentThread): void {
    this.#flushHosts();
    this.#port.post(message);
  }

  #flushHosts(): void {
    if (this.#hosts.length === 0) return;
    const hosts = this.#hosts;
    this.#hosts = [];
    this.#port.post({ kind: "hosts", hosts });
  }

  #schedule(): void {
    if (this.#flushSet) return;
    this.#flushSet = true;
    queueMicrotask(() => {
      this.#flushSet = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#ended) return;
    this.#flushHosts();
    if (this.#batch.count > 0) {
      const batch = this.#batch.take();
      this.#port.post({ kind: "deliver", batch }, [batch.buffer]);
    }
    if (this.#outcomes.count > 0) {
      const packed = this.#outcomes.take();
      this.#port.post({ kind: "outcomes", packed }, [packed.buffer]);
    }
  }

  #end(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const gone = new CaxtonError("unavailable", `The agent thread ended: ${error?.message ?? "it stopped"}`);
    const waiters = [...this.#waiters.values()];
    const deliveries = [...this.#deliveries.values()];
    this.#waiters.clear();
    this.#deliveries.clear();
    for (const waiter of waiters) waiter.reject(gone);
    this.#events.ended(error);
    for (const { done } of deliveries) done("unreachable");
  }
}
