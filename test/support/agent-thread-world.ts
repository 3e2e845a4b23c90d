/**
 * One agent thread and a real store on an in-memory database, in this thread, on a virtual clock and
 * with turns taken by hand. Its agents are scripts: functions that use the host as WebAssembly would.
 */
import { AgentThread, type ThreadModules } from "../../src/agents/thread/agent-thread.ts";
import type { Handler } from "../../src/agents/thread/handler.ts";
import type {
  AgentEvent,
  AgentThreadStats,
  FromAgentThread,
} from "../../src/agents/thread/thread-protocol.ts";
import type { AgentName, NodeId } from "../../src/base/ids.ts";
import { BatchWriter, OutcomeWriter, readBatch, readOutcomes } from "../../src/messaging/message-batch.ts";
import type { MemoryDatabases } from "../../src/platform/memory/database.ts";
import type { HostFunctions } from "../../src/wasm/host.ts";
import type { PreparedModule } from "../../src/wasm/prepare.ts";
import { decodeUtf8, encodeUtf8 } from "../../src/wire/cursor.ts";
import type { AgentSpec } from "../../src/wire/agent-spec.ts";
import { decodeMessage, encodeMessage, type Message } from "../../src/wire/message.ts";
import type { Outcome } from "../../src/wire/outcome.ts";
import { heldLease } from "./held-lease.ts";
import { LocalStore } from "./local-store.ts";
import { encodedMessage, type testMessage } from "./messages.ts";

/** What a script has: the host's functions, its instance's memory, and a short way to send. */
export interface ScriptContext {
  readonly host: HostFunctions;
  readonly memory: Map<string, string>;
  /** The host's answer to `send`. */
  send(receiver: string, content: string, fields?: Parameters<typeof testMessage>[1]): number;
  get(key: string): string | undefined;
  set(key: string, value: string): number;
}

export interface Script {
  readonly init?: (context: ScriptContext) => void;
  readonly handle?: (message: Message, context: ScriptContext) => void;
  readonly onTimer?: (id: number, context: ScriptContext) => void;
  /** Memory is saved and loaded. */
  readonly saves?: boolean;
  readonly fuel?: number;
}

const noModule = {} as PreparedModule;

class ScriptHandler implements Handler {
  readonly memory_bytes = 65_536;
  readonly fuelUsed: number;
  readonly loads: boolean;
  readonly #script: Script;
  readonly #context: ScriptContext;

  constructor(script: Script, host: HostFunctions) {
    this.#script = script;
    this.fuelUsed = script.fuel ?? 100;
    this.loads = script.saves === true;
    this.#context = {
      host,
      memory: new Map(),
      send: (receiver, content, fields = {}) =>
        host.send(encodedMessage(0, { ...fields, receiver, content })),
      get: (key) => {
        const value = host.stateGet(encodeUtf8(key));
        return value === undefined ? undefined : decodeUtf8(value);
      },
      set: (key, value) => host.stateSet(encodeUtf8(key), encodeUtf8(value)),
    };
  }

  init(): void {
    this.#script.init?.(this.#context);
  }

  handle(message: Uint8Array): void {
    this.#script.handle?.(decodeMessage(message), this.#context);
  }

  onTimer(id: number): void {
    this.#script.onTimer?.(id, this.#context);
  }

  close(): void {
    // A script has no memory of its own.
  }

  save(): Uint8Array | undefined {
    return this.loads ? encodeUtf8(JSON.stringify([...this.#context.memory])) : undefined;
  }

  load(state: Uint8Array): void {
    for (const [key, value] of JSON.parse(decodeUtf8(state)) as [string, string][])
      this.#context.memory.set(key, value);
  }
}

export class AgentThreadWorld {
  readonly store: LocalStore;
  readonly events: AgentEvent[] = [];
  readonly storage: (string | null)[] = [];
  /** Messages that left the thread, in order. */
  readonly sent: { readonly ticket: number; readonly inOutbox: boolean; readonly message: Message }[] = [];
  /** By ticket. */
  readonly outcomes = new Map<number, Outcome>();
  readonly thread: AgentThread;
  readonly lease = heldLease();
  stopped = false;
  #turns: (() => void)[] = [];
  readonly #answers = new Map<number, string | null>();
  #stats: AgentThreadStats | undefined;
  #ticket = 0;
  #request = 0;

  constructor(
    readonly scripts: Readonly<Record<string, Script>>,
    databases?: MemoryDatabases,
    readonly seed = 1,
  ) {
    this.store = new LocalStore(databases);
    const modules: ThreadModules = {
      has: () => true,
      add: () => Promise.resolve(),
      sliceEnded: () => undefined,
      create: (spec, host) => new ScriptHandler(this.scripts[spec.name] ?? this.scripts["*"] ?? {}, host),
    };
    this.thread = new AgentThread({
      node: "node-1" as NodeId,
      seed,
      store: this.store.client(),
      clock: this.store.clock,
      lease: this.lease.gate,
      modules,
      soon: (turn) => void this.#turns.push(turn),
      post: (message) => this.#receive(message),
    });
  }

  get databases(): MemoryDatabases {
    return this.store.databases;
  }

  /** Resolves with null or the error's code, when everything is settled. */
  async host(spec: AgentSpec, suspended = false): Promise<string | null> {
    const request = ++this.#request;
    this.thread.receive({
      kind: "hosts",
      hosts: [{ request, spec, module: noModule, suspended, fresh: false }],
    });
    await this.settle();
    return this.#answers.get(request) ?? null;
  }

  async ask(kind: "suspend" | "resume", agent: string): Promise<string | null> {
    const request = ++this.#request;
    this.thread.receive({ kind, request, agent: agent as AgentName });
    await this.settle();
    return this.#answers.get(request) ?? null;
  }

  async stop(agent: string, forget: boolean, finish_ms = 0): Promise<string | null> {
    const request = ++this.#request;
    this.thread.receive({ kind: "stop", request, agent: agent as AgentName, forget, finish_ms });
    await this.settle();
    return this.#answers.get(request) ?? null;
  }

  async shutdown(): Promise<void> {
    this.thread.receive({ kind: "shutdown", deadline_ms: 1_000 });
    await this.settle();
  }

  /** Delivers in one batch, without waiting; the tickets. */
  deliver(...messages: readonly Message[]): number[] {
    const batch = new BatchWriter();
    const tickets = messages.map((message) => {
      batch.add(0, ++this.#ticket, encodeMessage(message));
      return this.#ticket;
    });
    this.thread.receive({ kind: "deliver", batch: batch.take() });
    return tickets;
  }

  /** Answers everything that left the thread and was not answered yet. */
  answerSent(outcome: Outcome = "accepted"): void {
    const packed = new OutcomeWriter();
    for (const { ticket } of this.sent) packed.add(ticket, outcome);
    this.thread.receive({ kind: "outcomes", packed: packed.take() });
  }

  answer(ticket: number, outcome: Outcome = "accepted"): void {
    const packed = new OutcomeWriter();
    packed.add(ticket, outcome);
    this.thread.receive({ kind: "outcomes", packed: packed.take() });
  }

  /** One turn of the thread's event loop; false when none waited. */
  turn(): boolean {
    const turns = this.#turns;
    this.#turns = [];
    for (const turn of turns) turn();
    return turns.length > 0;
  }

  /** Turns of the thread and of the store until neither has anything to do. Timers do not run. */
  async settle(): Promise<void> {
    for (;;) {
      await this.store.arrive();
      const [here, there] = [this.turn(), await this.store.turn()];
      if (!here && !there) return;
    }
  }

  /** Lets virtual time pass, settling at each event of it. */
  async advance(duration_ms: number): Promise<void> {
    await this.settle();
    const { clock } = this.store;
    const end_ms = clock.now_ms() + duration_ms;
    for (let next = clock.next_ms(); next !== undefined && next <= end_ms; next = clock.next_ms()) {
      clock.step();
      await this.settle();
    }
    clock.advance(Math.max(0, end_ms - clock.now_ms()));
  }

  stats(agent: string): AgentThreadStats["agents"][number] | undefined {
    this.thread.receive({ kind: "stats", request: 0, agents: [agent as AgentName] });
    return this.#stats?.agents[0];
  }

  totals(): AgentThreadStats | undefined {
    this.thread.receive({ kind: "stats", request: 0, agents: [] });
    return this.#stats;
  }

  /** What became of those tickets. */
  outcomesOf(tickets: readonly number[]): (Outcome | undefined)[] {
    return tickets.map((ticket) => this.outcomes.get(ticket));
  }

  /** `sender>receiver content` of everything that left the thread. */
  sentTexts(): string[] {
    return this.sent.map(
      ({ message }) => `${message.sender}>${message.receiver} ${decodeUtf8(message.content)}`,
    );
  }

  async deadLetters(): Promise<{ readonly reason: string; readonly text: string }[]> {
    const listing = this.store.client().listDeadLetters({ limit: 1_000, cursor: null });
    await this.settle();
    const { items } = await listing;
    return items.map(({ reason, message }) => ({ reason, text: decodeUtf8(decodeMessage(message).content) }));
  }

  /** Durable messages that wait to leave, oldest first. */
  async outbox(): Promise<Message[]> {
    const listing = this.store.client().recoverOutbox();
    await this.settle();
    return (await listing).map(decodeMessage);
  }

  /** The durable state of an agent, as text. */
  async stateOf(agent: string): Promise<Record<string, string>> {
    const recovery = this.store.client().recoverAgent(agent as AgentName);
    await this.settle();
    const { state } = await recovery;
    return Object.fromEntries(state.map(([key, value]) => [decodeUtf8(key), decodeUtf8(value)]));
  }

  #receive(message: FromAgentThread): void {
    switch (message.kind) {
      case "answers":
        for (const { request, result } of message.answers)
          this.#answers.set(request, typeof result === "string" ? null : result.code);
        break;
      case "events":
        this.events.push(...message.events);
        break;
      case "send":
        readBatch(message.batch, (flags, ticket, bytes) => {
          this.sent.push({ ticket, inOutbox: flags === 1, message: decodeMessage(bytes) });
        });
        break;
      case "outcomes":
        readOutcomes(message.packed, (ticket, outcome) => this.outcomes.set(ticket, outcome));
        break;
      case "stats":
        this.#stats = message.stats;
        break;
      case "storage":
        this.storage.push(message.reason);
        break;
      case "stopped":
        this.stopped = true;
        break;
      case "ready":
        break;
    }
  }
}
