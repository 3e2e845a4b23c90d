/** The agents of one node as in production (worker threads, store thread, WebAssembly), between in-memory peers. */
import { heldLease } from "./held-lease.ts";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { AgentThreadPort } from "../../src/agents/agent-thread-handle.ts";
import { InstanceGroups } from "../../src/agents/instance-groups.ts";
import { LocalAgents, type LocalAgentEvent } from "../../src/agents/local-agents.ts";
import { AgentPeers } from "../../src/agents/agent-peers.ts";
import { AgentThreads } from "../../src/agents/agent-threads.ts";
import type { AgentCeilings } from "../../src/agents/agent-ceilings.ts";
import { ClusterAgents } from "../../src/agents/cluster-agents.ts";
import { ModuleShelf } from "../../src/agents/module-shelf.ts";
import { AssignedOwnership } from "../../src/agents/ownership.ts";
import { AssignmentTable } from "../../src/agents/assignment-table.ts";
import { HandOver } from "../../src/agents/hand-over.ts";
import { ModuleKeepers } from "../../src/agents/module-keepers.ts";
import { Reconciler, type ReconcilerEvent } from "../../src/agents/reconciler.ts";
import { spawnAgentThread } from "../../src/agents/spawn-agent-thread.ts";
import { present } from "../../src/base/assert.ts";
import type { AgentName, ModuleHash, NodeId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import type { Membership } from "../../src/cluster/membership.ts";
import type { Peers } from "../../src/cluster/peers/peers.ts";
import { AssignmentStore } from "../../src/control/assignment-store.ts";
import { ControlClient } from "../../src/control/control-client.ts";
import { systemClock } from "../../src/platform/node/clock.ts";
import { createPreparer, type Preparer } from "../../src/wasm/prepare-thread.ts";
import { startStoreThread, type StoreThread } from "../../src/store/store-thread.ts";
import { agentMost } from "../../src/wire/agent-spec.ts";
import { decodeMessage, encodeMessage, messageIdOf, type Message } from "../../src/wire/message.ts";
import type { Outcome } from "../../src/wire/outcome.ts";
import type { SingleNodeConsensus } from "./single-node-consensus.ts";

export function prebuiltAgent(name: string): Buffer {
  return readFileSync(fileURLToPath(new URL(`../../wasm-agents/${name}.wasm`, import.meta.url)));
}

interface NodeAgents {
  readonly threads: AgentThreads;
  readonly local: LocalAgents;
  readonly cluster: ClusterAgents;
  readonly answers: AgentPeers;
  readonly preparer: Preparer;
  readonly table: AssignmentTable;
  readonly assignments: AssignmentStore;
  readonly reconciler: Reconciler;
  readonly keepers: ModuleKeepers;
}

/** Numbers of hand-overs, different at all nodes of a test. */
const transfers = { last: 0 };

export class AgentsNode {
  readonly agents: NodeAgents;
  readonly store: StoreThread;
  readonly events: (LocalAgentEvent | ReconcilerEvent)[];
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
    /** The cluster's: shared by its nodes. */
    readonly consensus: SingleNodeConsensus;
    readonly threads?: number;
    readonly seed?: number;
    readonly maxAgents?: number;
    /** The budget of its agents' linear memory. */
    readonly memory_bytes?: number;
    readonly ceilings?: Partial<AgentCeilings>;
    /** Whether the node has its lease, as it tells of its agents. */
    readonly mayAct?: () => boolean;
    /** Whether it is known what its agents go on from. */
    readonly known?: () => Promise<void>;
    /** Whether the leader hears that node. */
    readonly isUnheard?: (node: NodeId) => boolean;
  }): Promise<AgentsNode> {
    const store = await startStoreThread(options.path);
    const events: (LocalAgentEvent | ReconcilerEvent)[] = [];
    const sent: Message[] = [];
    const lost: string[] = [];
    const threads: AgentThreadPort[] = [];
    const { membership, peers, consensus } = options;
    const failed = (what: string, reason: string): void => void lost.push(`${what}: ${reason}`);
    const assignments = new AssignmentStore(new ControlClient(consensus, systemClock, () => 2_000));
    const table = new AssignmentTable(assignments, consensus, systemClock, failed);
    const parts: { threads?: AgentThreads; modules?: ModuleShelf } = {};
    const local = new LocalAgents({
      store: store.client,
      membership,
      threads: () => present(parts.threads, "the agent threads"),
      modules: () => present(parts.modules, "the modules"),
      maxAgents: options.maxAgents ?? 1_000,
      fence: () => undefined,
      event: (event) => void events.push(event),
      failed,
    });
    const preparer = createPreparer();
    const keepers = new ModuleKeepers({
      table,
      membership,
      modules: () => present(parts.modules, "the modules"),
      stored: () => store.client.listModules(),
      clock: systemClock,
      failed,
    });
    const modules = new ModuleShelf({
      store: store.client,
      preparer,
      membership,
      peers,
      inUse: (hash: ModuleHash) => local.usesModule(hash) || keepers.wants(hash),
      keepers: (hash) => keepers.of(hash),
      clock: systemClock,
    });
    parts.modules = modules;
    const agentThreads = await AgentThreads.start({
      node: membership.self,
      threads: options.threads ?? 1,
      memory_bytes: options.memory_bytes ?? 1024 ** 3,
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
      lost: async (_thread, names, reason) => {
        lost.push(`${names.join(",")}: ${reason}`);
        local.threadLost(names);
      },
    });
    parts.threads = agentThreads;
    const { self } = membership;
    const reconciler = new Reconciler({
      self,
      table,
      store: assignments,
      durable: store.client,
      local,
      modules: () => modules,
      clock: systemClock,
      known: options.known ?? (() => Promise.resolve()),
      event: (event) => void events.push(event),
      failed,
    });
    const handOver = new HandOver({
      self,
      table,
      store: assignments,
      local,
      reconciler,
      peers,
      clock: systemClock,
      newTransfer: () => ++transfers.last,
      failed,
    });
    const answers = new AgentPeers({
      self,
      clock: systemClock,
      peers,
      local,
      table,
      reconciler,
      handOver,
      store: store.client,
    });
    const cluster = new ClusterAgents({
      membership,
      peers,
      clock: systemClock,
      local,
      modules,
      keepers,
      ownership: new AssignedOwnership({ membership, table, store: assignments, prng: new Prng(1) }),
      table,
      store: assignments,
      reconciler,
      handOver,
      isUnheard: options.isUnheard ?? (() => false),
      ceilings: {
        ...{ max_memory: agentMost.memory_bytes, max_fuel: agentMost.fuel, max_priority: "critical" },
        max_per_subject: null,
        ...options.ceilings,
      },
      mayAct: options.mayAct ?? (() => true),
      groups: new InstanceGroups(table),
      lostSince: () => Promise.resolve(null),
    });
    await local.load();
    await table.refresh("linearizable");
    keepers.begin();
    await reconciler.start();
    const agents = {
      threads: agentThreads,
      local,
      cluster,
      answers,
      preparer,
      table,
      assignments,
      reconciler,
      keepers,
    };
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
    this.agents.reconciler.close();
    this.agents.keepers.close();
    this.agents.table.close();
    this.agents.answers.close();
    await this.agents.threads.shutdown(5_000);
    await this.agents.preparer.close();
    await this.store.client.close();
    await this.store.ended;
  }
}
