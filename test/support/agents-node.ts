/** The agents of one node as in production (worker threads, store thread, WebAssembly), between in-memory peers. */
import { heldLease } from "./held-lease.ts";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { AgentThreadPort } from "../../src/agents/agent-thread-handle.ts";
import { LocalAgents, type LocalAgentEvent } from "../../src/agents/local-agents.ts";
import { AgentPeers } from "../../src/agents/agent-peers.ts";
import { AgentThreads } from "../../src/agents/agent-threads.ts";
import { ClusterAgents } from "../../src/agents/cluster-agents.ts";
import { ModuleShelf } from "../../src/agents/module-shelf.ts";
import { DirectoryOwnership } from "../../src/agents/ownership.ts";
import { spawnAgentThread } from "../../src/agents/spawn-agent-thread.ts";
import { present } from "../../src/base/assert.ts";
import type { AgentName, ModuleHash } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import type { Membership } from "../../src/cluster/membership.ts";
import type { Peers } from "../../src/cluster/peers.ts";
import { systemClock } from "../../src/platform/node/clock.ts";
import { createPreparer, type Preparer } from "../../src/wasm/prepare-thread.ts";
import { startStoreThread, type StoreThread } from "../../src/store/store-thread.ts";
import { decodeMessage, encodeMessage, messageIdOf, type Message } from "../../src/wire/message.ts";
import type { Outcome } from "../../src/wire/outcome.ts";

export function prebuiltAgent(name: string): Buffer {
  return readFileSync(fileURLToPath(new URL(`../../wasm-agents/${name}.wasm`, import.meta.url)));
}

interface NodeAgents {
  readonly threads: AgentThreads;
  readonly local: LocalAgents;
  readonly cluster: ClusterAgents;
  readonly answers: AgentPeers;
  readonly preparer: Preparer;
}

export class AgentsNode {
  readonly agents: NodeAgents;
  readonly store: StoreThread;
  readonly events: LocalAgentEvent[];
  /** What left for elsewhere, in order. */
  readonly sent: Message[];
  readonly lost: string[];
  readonly threads: AgentThreadPort[];

  private constructor(parts: Pick<AgentsNode, "agents" | "store" | "events" | "sent" | "lost" | "threads">) {
    this.agents = parts.agents;
    this.store = parts.store;
    this.events = parts.events;
    this.sent = parts.sent;
    this.lost = parts.lost;
    this.threads = parts.threads;
  }

  static async start(options: {
    readonly path: string;
    readonly membership: Membership;
    readonly peers: Peers;
    readonly threads?: number;
    readonly seed?: number;
    readonly maxAgents?: number;
  }): Promise<AgentsNode> {
    const store = await startStoreThread(options.path);
    const events: LocalAgentEvent[] = [];
    const sent: Message[] = [];
    const lost: string[] = [];
    const threads: AgentThreadPort[] = [];
    const { membership, peers } = options;
    const parts: { threads?: AgentThreads; modules?: ModuleShelf } = {};
    const local = new LocalAgents({
      store: store.client,
      membership,
      threads: () => present(parts.threads, "the agent threads"),
      modules: () => present(parts.modules, "the modules"),
      maxAgents: options.maxAgents ?? 1_000,
      event: (event) => void events.push(event),
      failed: (what, reason) => void lost.push(`${what}: ${reason}`),
    });
    const preparer = createPreparer();
    const inUse = (hash: ModuleHash): boolean => local.usesModule(hash);
    const modules = new ModuleShelf({ store: store.client, preparer, membership, peers, inUse });
    parts.modules = modules;
    const agentThreads = await AgentThreads.start({
      node: membership.self,
      threads: options.threads ?? 1,
      seed: options.seed ?? 1,
      clock: systemClock,
      lease: heldLease(),
      spawn: () => {
        const thread = spawnAgentThread();
        threads.push(thread);
        return thread;
      },
      storePort: () => store.connect(),
      module: (spec) => modules.prepare(spec),
      sent: (message, inOutbox, done) => {
        sent.push(decodeMessage(message));
        if (inOutbox) void store.client.append([{ kind: "sent", message: messageIdOf(message) }]);
        done("accepted");
      },
      event: (event) => local.threadEvent(event),
      storage: (thread, reason) => void lost.push(`storage of ${thread}: ${reason}`),
      lost: (_thread, names, reason) => {
        lost.push(`${names.join(",")}: ${reason}`);
        local.threadLost(names);
      },
    });
    parts.threads = agentThreads;
    const ownership = new DirectoryOwnership(membership, new Prng(1));
    const answers = new AgentPeers({ peers, local, modules });
    const cluster = new ClusterAgents({ membership, peers, clock: systemClock, local, modules, ownership });
    await local.restore();
    const agents = { threads: agentThreads, local, cluster, answers, preparer };
    return new AgentsNode({ agents, store, events, sent, lost, threads });
  }

  deliver(message: Message): Promise<Outcome> {
    return new Promise((resolve) => this.agents.threads.deliver(encodeMessage(message), resolve));
  }

  /** Contents of what an agent sent elsewhere. */
  textsFrom(agent: string): string[] {
    const own = this.sent.filter(({ sender }) => sender === agent);
    return own.map(({ content }) => new TextDecoder().decode(content));
  }

  status(agent: string): string | undefined {
    return this.agents.local.get(agent as AgentName)?.status;
  }

  /** Ends the agent thread at once, as a crash does. */
  killThread(): void {
    void this.threads.at(-1)?.terminate();
  }

  async stop(): Promise<void> {
    this.agents.local.close();
    this.agents.answers.close();
    await this.agents.threads.shutdown(5_000);
    await this.agents.preparer.close();
    await this.store.client.close();
    await this.store.ended;
  }
}
