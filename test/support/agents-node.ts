/** The agents of one node as in production (worker threads, store thread, WebAssembly), between in-memory peers. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { AgentThreadPort } from "../../src/agents/agent-thread-handle.ts";
import type { LocalAgentEvent } from "../../src/agents/local-agents.ts";
import { type NodeAgents, startNodeAgents } from "../../src/agents/node-agents.ts";
import { spawnAgentThread } from "../../src/agents/spawn-agent-thread.ts";
import type { AgentName } from "../../src/base/ids.ts";
import type { Membership } from "../../src/cluster/membership.ts";
import type { Peers } from "../../src/cluster/peers.ts";
import { systemClock } from "../../src/platform/node/clock.ts";
import { startStoreThread, type StoreThread } from "../../src/store/store-thread.ts";
import { decodeMessage, encodeMessage, messageIdOf, type Message } from "../../src/wire/message.ts";
import type { Outcome } from "../../src/wire/outcome.ts";

export function prebuiltAgent(name: string): Buffer {
  return readFileSync(fileURLToPath(new URL(`../../wasm-agents/${name}.wasm`, import.meta.url)));
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
  }): Promise<AgentsNode> {
    const store = await startStoreThread(options.path);
    const events: LocalAgentEvent[] = [];
    const sent: Message[] = [];
    const lost: string[] = [];
    const threads: AgentThreadPort[] = [];
    const agents = await startNodeAgents({
      spawn: () => {
        const thread = spawnAgentThread();
        threads.push(thread);
        return thread;
      },
      threads: options.threads ?? 1,
      maxAgents: 1_000,
      seed: options.seed ?? 1,
      clock: systemClock,
      store: store.client,
      storePort: () => store.connect(),
      membership: options.membership,
      peers: options.peers,
      sent: (message, inOutbox, done) => {
        sent.push(decodeMessage(message));
        if (inOutbox) void store.client.append([{ kind: "sent", message: messageIdOf(message) }]);
        done("accepted");
      },
      event: (event) => void events.push(event),
      threadLost: (_thread, agents, reason) => void lost.push(`${agents.join(",")}: ${reason}`),
      storage: (thread, reason) => void lost.push(`storage of ${thread}: ${reason}`),
      failed: (what, reason) => void lost.push(`${what}: ${reason}`),
    });
    await agents.restore();
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
    await this.agents.close(5_000);
    await this.store.client.close();
    await this.store.ended;
  }
}
