/**
 * The core of an agent thread: takes main's messages, runs agents a bounded slice at a time, and sends
 * what gathered once a slice. Knows no runtime: its entry (agent-thread-main.ts) joins it to a worker.
 */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { unreachable } from "../../base/assert.ts";
import { latencyBounds_ms } from "../../base/latency-histogram.ts";
import type { AgentName, NodeId } from "../../base/ids.ts";
import { Prng } from "../../base/prng.ts";
import { MessageIds } from "../../messaging/outgoing-message.ts";
import { OutgoingWindow } from "../../messaging/outgoing-window.ts";
import { Scheduler, drainBudget } from "../../messaging/scheduler.ts";
import type { LeaseGate } from "../../cluster/leases/cell.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Store } from "../../store/store.ts";
import type { PreparedModule } from "../../wasm/prepare.ts";
import type { AgentSpec, AgentStatus } from "../../wire/agent-spec.ts";
import { AgentLifecycle } from "./agent-lifecycle.ts";
import { ThreadTimers } from "./agent-timers.ts";
import type { AgentFace, Outgoing } from "./agent-face.ts";
import type { AgentWorld } from "./agent-world.ts";
import { CommitQueue, type CommitEntry } from "./commit-queue.ts";
import { goesOn } from "../goes-on.ts";
import type { HandlerSource } from "./handler.ts";
import type { HostedAgent } from "./hosted-agent.ts";
import { ThreadCounters } from "./thread-counters.ts";
import { ThreadMail } from "./thread-mail.ts";
import type {
  AgentEvent,
  AgentThreadStats,
  FromAgentThread,
  HostOrder,
  ThreadAnswer,
  ToAgentThread,
} from "./thread-protocol.ts";

/** Log lines of all agents in one slice; the rest of the slice's are left out and counted. */
const logLinesPerSlice = 1_000;
/** A parked thread looks at the lease so often, beside what it is told. */
const leaseLook_ms = 50;

export interface ThreadModules extends HandlerSource {
  /** May drop modules other than those `inUse`. Throws `invalid_module`. */
  add(key: string, module: PreparedModule, inUse: () => ReadonlySet<string>): Promise<void>;
  /** Memory that was taken and not used is everybody's again. */
  sliceEnded(): void;
}

export interface AgentThreadOptions {
  readonly node: NodeId;
  readonly seed: number;
  readonly store: Store;
  readonly clock: Clock;
  readonly lease: Pick<LeaseGate, "holds" | "admit">;
  readonly modules: ThreadModules;
  /** Runs the callback in a later turn of the event loop, as soon as waiting events were seen. */
  readonly soon: (callback: () => void) => void;
  readonly post: (message: FromAgentThread, transfer?: readonly ArrayBuffer[]) => void;
}

export class AgentThread implements AgentWorld {
  readonly clock: Clock;
  readonly prng: Prng;
  readonly ids: MessageIds;
  readonly window = new OutgoingWindow();
  readonly commits: CommitQueue;
  readonly handlers: HandlerSource;
  readonly counters = new ThreadCounters();
  readonly #options: AgentThreadOptions;
  readonly #agents = new Map<string, HostedAgent>();
  readonly #scheduler = new Scheduler<AgentFace>();
  readonly #mail: ThreadMail;
  readonly #lifecycle: AgentLifecycle;
  readonly #timers: ThreadTimers<AgentFace>;
  /** A slice ends early then, and the next goes on while the store works. */
  readonly #commitDue = (): boolean => this.commits.due;
  #parked = false;
  #criticalOnly = false;
  #look: Timer | undefined;
  #events: AgentEvent[] = [];
  #answers: ThreadAnswer[] = [];
  #logLines = 0;
  #logLinesLeftOut = 0;
  #kicked = false;
  #storageReason: string | null = null;

  constructor(options: AgentThreadOptions) {
    const { clock, store, modules, node } = options;
    this.#options = options;
    this.clock = clock;
    this.prng = new Prng(options.seed);
    this.ids = new MessageIds(this.prng);
    this.handlers = modules;
    this.commits = new CommitQueue(store, clock, {
      durable: (entries) => this.#durable(entries),
      failed: (entries, reason) => this.#commitFailed(entries, reason),
      notesLost: (count) => this.#notesLost(count),
      unblocked: () => {
        this.#scheduler.unpark();
        this.#kick();
      },
    });
    this.#mail = new ThreadMail({
      node,
      clock,
      agents: this.#agents,
      window: this.window,
      commits: () => this.commits,
      wake: (agent) => this.wake(agent),
      event: (event) => this.event(event),
    });
    this.#timers = new ThreadTimers(
      clock,
      (agent, id, due_ms) => agent.timers.isSet(id, due_ms) && this.#agents.get(agent.name) === agent,
      (agent, id) => agent.timerDue(id),
    );
    this.#lifecycle = new AgentLifecycle({
      world: this,
      mail: this.#mail,
      store,
      clock,
      agents: this.#agents,
      addModule: (key, module) => modules.add(key, module, () => this.#lifecycle.modulesInUse()),
    });
  }

  /** A message of main, other than `init`. */
  receive(message: Exclude<ToAgentThread, { kind: "init" }>): void {
    switch (message.kind) {
      case "hosts":
        for (const order of message.hosts) this.#answer(order.request, this.#host(order));
        break;
      case "stop":
        this.#answer(message.request, this.#lifecycle.stop(message.agent, message.forget, message.finish_ms));
        break;
      case "suspend":
        this.#answer(
          message.request,
          Promise.resolve().then(() => this.#lifecycle.suspend(message.agent)),
        );
        break;
      case "resume":
        this.#answer(
          message.request,
          Promise.resolve().then(() => this.#lifecycle.resume(message.agent)),
        );
        break;
      case "lease":
        this.#options.lease.admit(message.tenure);
        this.#slice();
        break;
      case "critical-only":
        this.#criticalOnly = message.only;
        this.#scheduler.unpark();
        this.#kick();
        break;
      case "deliver":
        this.#lookAtLease();
        this.#mail.deliver(message.batch);
        this.#slice();
        break;
      case "outcomes":
        this.#mail.answered(message.packed);
        break;
      case "owed":
        this.window.owe(message.receivers);
        break;
      case "settled":
        this.window.settled(message.receiver);
        break;
      case "stats":
        this.#options.post({ kind: "stats", request: message.request, stats: this.#stats(message.agents) });
        break;
      case "shutdown":
        this.#shutdown(message.deadline_ms);
        break;
      default:
        unreachable(message);
    }
  }

  get parked(): boolean {
    return this.#parked;
  }

  goesOn(spec: AgentSpec): boolean {
    return goesOn(spec, this.#criticalOnly);
  }

  find(receiver: string): AgentFace | undefined {
    return this.#mail.find(receiver);
  }

  release(outgoing: Outgoing, committed: boolean, now_ms: number): void {
    this.#mail.release(outgoing, committed, now_ms);
  }

  deadLetter(agent: AgentFace, reason: string, detail: string, message: Uint8Array): void {
    this.#mail.deadLetter(agent, reason, detail, message);
  }

  setTimer(agent: AgentFace, id: number, due_ms: number): void {
    this.#timers.add(agent, id, due_ms);
  }

  event(event: AgentEvent): void {
    if (event.kind === "log" && ++this.#logLines > logLinesPerSlice) {
      this.#logLinesLeftOut++;
      return;
    }
    this.#events.push(event);
  }

  wake(agent: AgentFace): void {
    this.#scheduler.wake(agent);
    this.#kick();
  }

  #kick(): void {
    if (this.#kicked) return;
    this.#kicked = true;
    this.#options.soon(() => {
      this.#kicked = false;
      this.#slice();
    });
  }

  /** Runs agents for a bounded while, then sends everything that gathered. */
  #slice(): void {
    this.#lookAtLease();
    const more = this.#scheduler.drain(drainBudget, this.#commitDue);
    this.commits.flush();
    this.#post();
    if (more) this.#kick();
  }

  /** Whether the node may act, as of now: at the beginning of work, and when what it did is about to get out. */
  #lookAtLease(): void {
    const parked = !this.#options.lease.holds();
    if (parked !== this.#parked) {
      this.#parked = parked;
      this.#mail.parked = parked;
      if (!parked) {
        this.#scheduler.unpark();
        this.#kick();
      }
    }
    if (!parked || this.#look !== undefined || this.#mail.closed) return;
    this.#look = this.clock.after(leaseLook_ms, () => {
      this.#look = undefined;
      this.#slice();
    });
  }

  #post(): void {
    this.#options.modules.sliceEnded();
    this.#lookAtLease();
    const { batches, outcomes } = this.#mail.take(!this.#parked);
    for (const batch of batches) this.#options.post({ kind: "send", batch }, [batch.buffer]);
    for (const packed of outcomes) this.#options.post({ kind: "outcomes", packed }, [packed.buffer]);
    // They tell clients what became of their messages.
    if (this.#events.length === 0 || this.#parked) return;
    const events = this.#events;
    const last = events.findLast((event) => event.kind === "log");
    if (this.#logLinesLeftOut > 0 && last !== undefined) {
      const text = `${this.#logLinesLeftOut} lines of agents of this thread left out`;
      events.push({ kind: "log", agent: last.agent, level: "warn", text, at_ms: last.at_ms });
    }
    this.#events = [];
    this.#logLines = 0;
    this.#logLinesLeftOut = 0;
    this.#options.post({ kind: "events", events });
  }

  #durable(entries: readonly CommitEntry[]): void {
    this.#mail.durable(entries);
    if (this.#storageReason !== null) {
      this.#storageReason = null;
      this.#options.post({ kind: "storage", reason: null });
    }
    // Mail that was released is handled in this turn, and its effects go into the next commit.
    this.#slice();
  }

  #commitFailed(entries: readonly CommitEntry[], reason: string): void {
    this.#storageReason = reason;
    this.#options.post({ kind: "storage", reason });
    for (const { name } of this.#mail.failed(entries)) this.#lifecycle.recover(name);
    this.#post();
  }

  #notesLost(count: number): void {
    this.#options.post({
      kind: "storage",
      reason: `${count} dead letters or outbox ends could not be written`,
    });
  }

  async #host({ spec, module, suspended, fresh }: HostOrder): Promise<"needs_module" | undefined> {
    const result = await this.#lifecycle.host(spec, module, suspended, fresh);
    return result === "needs_module" ? result : undefined;
  }

  #answer(request: number, work: Promise<"needs_module" | undefined | void>): void {
    work.then(
      (result) => this.#answered({ request, result: result ?? "done" }),
      (error: unknown) => {
        const code = error instanceof CaxtonError ? error.code : "internal";
        this.#answered({ request, result: { code, detail: reasonOf(error) } });
      },
    );
  }

  /** Answers of one turn travel together, behind the events and effects of what they answer. */
  #answered(answer: ThreadAnswer): void {
    this.#answers.push(answer);
    if (this.#answers.length > 1) return;
    queueMicrotask(() => {
      const answers = this.#answers;
      this.#answers = [];
      this.commits.flush();
      this.#post();
      this.#options.post({ kind: "answers", answers });
    });
  }

  #shutdown(deadline_ms: number): void {
    this.#mail.closed = true;
    this.#timers.stop();
    let stopped = false;
    const stop = (): void => {
      if (stopped) return;
      stopped = true;
      this.#post();
      this.#options.post({ kind: "stopped" });
    };
    const deadline = this.clock.after(deadline_ms, stop);
    this.#lifecycle.shutdown().then(
      () => {
        deadline.cancel();
        stop();
      },
      (error: unknown) => {
        this.#options.post({ kind: "storage", reason: reasonOf(error) });
        deadline.cancel();
        stop();
      },
    );
  }

  #stats(names: readonly AgentName[]): AgentThreadStats {
    const asked = names.flatMap((name) => this.#agents.get(name) ?? []);
    const { counters } = this;
    return {
      agents: asked.map((agent) => ({
        agent: agent.name,
        status: agent.status,
        inbox: agent.inbox.length,
        inbox_bytes: agent.inbox.bytes,
        memory_bytes: agent.memory_bytes,
        handled: agent.handled,
        traps: agent.traps,
        restarts: agent.restarts,
      })),
      ...totalsOf(this.#agents.values()),
      handled: counters.handled,
      fuel: counters.fuel,
      trapsByKind: counters.trapsByKind,
      latency: {
        bounds_ms: latencyBounds_ms,
        counts: counters.latency.counts,
        sum_ms: counters.latency.sum_ms,
      },
      latency_p50_ms: counters.latency.percentile_ms(0.5),
      latency_p99_ms: counters.latency.percentile_ms(0.99),
      outgoing: this.window.used,
      startup_ms: counters.startups_ms,
    };
  }
}

function totalsOf(agents: Iterable<HostedAgent>) {
  const agentsByStatus: Record<AgentStatus, number> = { starting: 0, running: 0, suspended: 0, failed: 0 };
  const totals = { agentsByStatus, inbox: 0, inbox_bytes: 0, memory_bytes: 0, traps: 0, restarts: 0 };
  for (const agent of agents) {
    agentsByStatus[agent.status]++;
    totals.inbox += agent.inbox.length;
    totals.inbox_bytes += agent.inbox.bytes;
    totals.memory_bytes += agent.memory_bytes;
    totals.traps += agent.traps;
    totals.restarts += agent.restarts;
  }
  return totals;
}
