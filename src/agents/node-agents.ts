/** Everything about agents on a node, put together: threads, modules, local agents, answers to peers, the cluster's view. */
import { CaxtonError } from "../base/errors.ts";
import type { AgentName } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import type { Membership } from "../cluster/membership.ts";
import type { Peers } from "../cluster/peers.ts";
import type { Clock } from "../ports/clock.ts";
import type { MessagePortLike } from "../ports/threads.ts";
import type { Store } from "../store/store.ts";
import { createPreparer } from "../wasm/prepare-thread.ts";
import type { Outcome } from "../wire/outcome.ts";
import { AgentPeers } from "./agent-peers.ts";
import type { AgentThreadPort } from "./agent-thread-handle.ts";
import { AgentThreads } from "./agent-threads.ts";
import { ClusterAgents } from "./cluster-agents.ts";
import { LocalAgents, type LocalAgentEvent } from "./local-agents.ts";
import { ModuleShelf } from "./module-shelf.ts";
import { DirectoryOwnership, type Ownership } from "./ownership.ts";
import { spawnAgentThread } from "./spawn-agent-thread.ts";

export interface NodeAgentsOptions {
  /** Starts an agent thread; a worker unless given. */
  readonly spawn?: () => AgentThreadPort;
  /** Agent threads, at least 1. */
  readonly threads: number;
  readonly maxAgents: number;
  /** Not secret: message ids and the agents' `random` come from it. */
  readonly seed: number;
  readonly clock: Clock;
  readonly store: Store;
  readonly storePort: () => MessagePortLike;
  readonly membership: Membership;
  readonly peers: Peers;
  /** The router takes a message of an agent here; `done` must be called once, when it has ended. */
  readonly sent: (message: Uint8Array, inOutbox: boolean, done: (outcome: Outcome) => void) => void;
  readonly event: (event: LocalAgentEvent) => void;
  /**
   * A thread ended by itself; its agents are coming back. What they had sent durably and main has not seen is in
   * the store's outbox.
   */
  readonly threadLost: (thread: number, agents: readonly AgentName[], reason: string) => void;
  readonly storage: (thread: number, reason: string | null) => void;
  readonly failed: (what: string, reason: string) => void;
}

export interface NodeAgents {
  /** The router's `LocalDelivery`. */
  readonly threads: AgentThreads;
  readonly local: LocalAgents;
  readonly cluster: ClusterAgents;
  readonly ownership: Ownership;
  /** Starts what the store has. */
  restore(): Promise<{ readonly running: number; readonly failed: number }>;
  /** Calls finish, commits reach the disk, volatile mail becomes dead letters; then the threads end. */
  close(deadline_ms: number): Promise<void>;
}

export async function startNodeAgents(options: NodeAgentsOptions): Promise<NodeAgents> {
  const { clock, store, membership, peers } = options;
  const preparer = createPreparer({ clock });
  const hosting: { threads: AgentThreads | undefined } = { threads: undefined };
  const local: LocalAgents = new LocalAgents({
    store,
    membership,
    threads: () => {
      if (hosting.threads === undefined)
        throw new CaxtonError("unavailable", "The agent threads are being started");
      return hosting.threads;
    },
    modules: () => modules,
    maxAgents: options.maxAgents,
    event: options.event,
    failed: options.failed,
  });
  const modules = new ModuleShelf({
    store,
    preparer,
    membership,
    peers,
    inUse: (hash) => local.usesModule(hash),
  });
  const threads = await AgentThreads.start({
    node: membership.self,
    threads: options.threads,
    seed: options.seed,
    clock,
    spawn: options.spawn ?? spawnAgentThread,
    storePort: options.storePort,
    module: (spec) => modules.prepare(spec),
    sent: options.sent,
    event: (event) => local.threadEvent(event),
    storage: options.storage,
    lost: (thread, agents, reason) => {
      local.threadLost(agents);
      options.threadLost(thread, agents, reason);
    },
  });
  hosting.threads = threads;
  const ownership = new DirectoryOwnership(membership, new Prng(options.seed));
  const answers = new AgentPeers({ peers, local, modules });
  const cluster = new ClusterAgents({ membership, peers, clock, local, modules, ownership });
  return {
    threads,
    local,
    cluster,
    ownership,
    restore: () => local.restore(),
    close: async (deadline_ms) => {
      local.close();
      answers.close();
      await threads.shutdown(deadline_ms);
      await preparer.close();
    },
  };
}
