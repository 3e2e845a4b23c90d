/**
 * The agent threads of a node without the node: the real threads and WebAssembly, a real store on
 * disk, and the benchmark in the place of the router. For what happens inside one thread.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentThreads } from "../src/agents/agent-threads.ts";
import { hashModule } from "../src/agents/module-shelf.ts";
import { spawnAgentThread } from "../src/agents/spawn-agent-thread.ts";
import type { AgentThreadsStats } from "../src/agents/thread-stats.ts";
import type { AgentName, MessageId, NodeId } from "../src/base/ids.ts";
import { systemClock } from "../src/platform/node/clock.ts";
import { startStoreThread, type StoreThread } from "../src/store/store-thread.ts";
import { prepareModule } from "../src/wasm/prepare.ts";
import { type AgentSpec, capabilities, type Durability } from "../src/wire/agent-spec.ts";
import { decodeMessage, encodeMessage, type Message, plainMessage } from "../src/wire/message.ts";
import type { Outcome } from "../src/wire/outcome.ts";
import { heldLease } from "../test/support/held-lease.ts";

const node = "bench" as NodeId;
/** Where agents answer to. */
const client = `~bench@${node}`;
/** Agents that are started at the same time. */
const hostsAtOnce = 64;

export function agentModule(name: "relay" | "loadgen"): Uint8Array {
  return new Uint8Array(readFileSync(join(import.meta.dir, "agents", `${name}.wasm`)));
}

interface HostState {
  closing: boolean;
  expectsTraps: boolean;
  receive: (message: Uint8Array) => void;
}

export class AgentHost {
  readonly #modules: Map<string, Uint8Array>;
  readonly #state: HostState;
  readonly #answers: ((message: Message) => void)[] = [];
  #messages = 0;

  private constructor(
    readonly threads: AgentThreads,
    readonly store: StoreThread,
    readonly folder: string,
    parts: {
      readonly modules: Map<string, Uint8Array>;
      readonly state: HostState;
    },
  ) {
    this.#modules = parts.modules;
    this.#state = parts.state;
    parts.state.receive = (message) => this.#answers.shift()?.(decodeMessage(message));
  }

  static async start(threadCount = 1): Promise<AgentHost> {
    const folder = mkdtempSync(join(tmpdir(), "caxton-bench-"));
    const store = await startStoreThread(join(folder, "store.db"));
    const modules = new Map<string, Uint8Array>();
    const state: HostState = { closing: false, expectsTraps: false, receive: () => {} };
    const threads = await AgentThreads.start({
      node,
      threads: threadCount,
      memory_bytes: 64 * 1024 ** 3,
      seed: 1,
      clock: systemClock,
      lease: heldLease(),
      spawn: spawnAgentThread,
      storePort: () => store.connect(),
      module: async (spec) => {
        const granted = { granted: capabilities, limits: { memory_bytes: spec.limits.memory_bytes } };
        return prepareModule(modules.get(spec.module) as Uint8Array, granted);
      },
      sent: (message, _inOutbox, done) => {
        state.receive(message);
        done("accepted");
      },
      event: (event) => {
        // What still circulates when the threads stop becomes dead letters.
        if (
          !state.closing &&
          !state.expectsTraps &&
          (event.kind === "trap" || event.kind === "dead_letter")
        ) {
          console.error(JSON.stringify(event));
        }
      },
      storage: (_thread, reason) => reason !== null && !state.closing && console.error(`store: ${reason}`),
      lost: (_thread, _agents, reason) => {
        console.error(`agent thread lost: ${reason}`);
        return Promise.resolve();
      },
    });
    return new AgentHost(threads, store, folder, { modules, state });
  }

  /** Starts `<prefix>-0 …`; each agent's time from the request to running, in ms, ascending. */
  async hostMany(
    prefix: string,
    count: number,
    wasm: Uint8Array,
    durability: Durability,
  ): Promise<readonly number[]> {
    const took_ms: number[] = [];
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) {
        const spec = this.#spec(`${prefix}-${next++}`, wasm, durability);
        const began_ms = performance.now();
        await this.threads.host(spec, false);
        took_ms.push(performance.now() - began_ms);
      }
    };
    await Promise.all(Array.from({ length: Math.min(hostsAtOnce, count) }, worker));
    return took_ms.toSorted((a, b) => a - b);
  }

  async host(name: string, wasm: Uint8Array, durability: Durability, suspended = false): Promise<void> {
    await this.threads.host(this.#spec(name, wasm, durability), suspended);
  }

  async remove(name: string): Promise<void> {
    await this.threads.stop(name as AgentName, true);
  }

  /** From now on traps are no news. */
  expectTraps(): void {
    this.#state.expectsTraps = true;
  }

  deliver(receiver: string, content: Uint8Array): Promise<Outcome> {
    const message = this.message(receiver, content);
    return new Promise((resolve) => this.threads.deliver(message, resolve));
  }

  /** The next answer that comes from an agent to this client, whichever sent it. */
  answer(): Promise<Message> {
    return new Promise((resolve) => this.#answers.push(resolve));
  }

  message(receiver: string, content: Uint8Array, conversation = "c"): Uint8Array {
    const message = plainMessage({
      messageId: `01890000-0000-7000-8000-${(this.#messages++).toString(16).padStart(12, "0")}` as MessageId,
      performative: "request",
      createdAt_ms: Date.now(),
      sender: client,
      receiver,
      conversationId: conversation,
      replyWith: "r",
      content,
    });
    return encodeMessage(message);
  }

  /** What the threads measured while `work` ran. */
  async during(work: () => Promise<void>): Promise<ThreadFigures> {
    const before = await this.threads.stats();
    const began_ms = performance.now();
    await work();
    const took_ms = performance.now() - began_ms;
    const after = await this.threads.stats();
    return { handled: after.handled - before.handled, took_ms, ...latencyBetween(before, after) };
  }

  async close(): Promise<void> {
    this.#state.closing = true;
    await this.threads.shutdown(10_000);
    await this.store.client.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #spec(name: string, wasm: Uint8Array, durability: Durability): AgentSpec {
    const module = hashModule(wasm);
    this.#modules.set(module, wasm);
    return {
      name: name as AgentName,
      module,
      revision: 1,
      epoch: 1,
      durability,
      priority: "normal",
      capabilities: [...capabilities],
      limits: {
        memory_bytes: 64 * 1_048_576,
        fuel: 50_000_000,
        inbox_messages: 10_000,
        inbox_bytes: 64 * 1_048_576,
      },
      restart: { policy: "restart", maxRestarts: 100 },
      placement: {
        strategy: "round_robin",
        preferNodes: [],
        targetNode: null,
        services: [],
        region: null,
        zone: null,
      },
      onNodeLoss: "restart",
      partition: "park",
      critical: false,
      deployedAt_ms: Date.now(),
      deployedBy: "bench",
    };
  }
}

export interface ThreadFigures {
  readonly handled: number;
  readonly took_ms: number;
  readonly bounds_ms: readonly number[];
  readonly counts: readonly number[];
}

function latencyBetween(
  before: AgentThreadsStats,
  after: AgentThreadsStats,
): Pick<ThreadFigures, "bounds_ms" | "counts"> {
  const counts = after.latency.counts.map((count, i) => count - (before.latency.counts[i] ?? 0));
  return { bounds_ms: after.latency.bounds_ms, counts };
}
