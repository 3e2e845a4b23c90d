/** What a node does for its agents: their threads, the router between them and the cluster, clients' messages. */
import { uuidv7 } from "uuidv7";
import { availableParallelism } from "node:os";
import { AgentThreads } from "../agents/agent-threads.ts";
import { LocalAgents, type LocalAgentEvent } from "../agents/local-agents.ts";
import { ModuleShelf } from "../agents/module-shelf.ts";
import { spawnAgentThread } from "../agents/spawn-agent-thread.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { quote, type MessageId, type NodeId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import type { Config } from "../config/keys.ts";
import { ReplyWaiters } from "../messaging/reply-waiters.ts";
import { Router } from "../messaging/router.ts";
import { systemClock } from "../platform/node/clock.ts";
import { systemEntropy } from "../platform/node/entropy.ts";
import { createPreparer } from "../wasm/prepare-thread.ts";
import { encodeUtf8 } from "../wire/cursor.ts";
import { encodeMessage, receiverOf } from "../wire/message.ts";
import type { Outcome } from "../wire/outcome.ts";
import type { EventLog } from "./event-log.ts";
import type { Foundation } from "./foundation.ts";
import { NodeMessages } from "./message-service.ts";
import type { Network } from "./network.ts";

/** A volatile agent's message to elsewhere is in memory only: retried for this long at most. */
const volatileRetry_ms = 30_000;

/** Every node takes messages for it; that is the answer. */
const pingEndpoint = "~ping";

export interface Work {
  readonly threads: AgentThreads;
  readonly agents: LocalAgents;
  readonly modules: ModuleShelf;
  readonly router: Router;
  readonly messages: NodeMessages;
  /** Brings agents and undelivered mail of the last run back. */
  restore(): Promise<void>;
  /** Nothing new is routed; what runs is finished and committed. */
  close(deadline_ms: number): Promise<void>;
}

export interface WorkOptions {
  readonly config: Config;
  readonly foundation: Foundation;
  readonly network: Network;
  readonly events: EventLog;
  readonly failed: (what: string, reason: string) => void;
}

export async function startWork(options: WorkOptions): Promise<Work> {
  const { config, foundation, network, events, failed } = options;
  const { self, directory, store } = foundation;
  const { membership, peers } = network;
  const retry_ms = config.messaging.retry;
  const seed = (): number => new DataView(systemEntropy.bytes(4).buffer).getUint32(0);
  const waiters = new ReplyWaiters(systemClock);
  const preparer = createPreparer();
  const parts: { threads?: AgentThreads; modules?: ModuleShelf; router?: Router; messages?: NodeMessages } =
    {};
  const agents = new LocalAgents({
    store: store.client,
    membership,
    threads: () => started(parts.threads),
    modules: () => started(parts.modules),
    maxAgents: config.node.max_agents,
    event: (event) => recordAgentEvent(events, event),
    failed,
  });
  parts.modules = new ModuleShelf({
    store: store.client,
    preparer,
    membership,
    peers,
    inUse: (hash) => agents.usesModule(hash),
  });
  const modules = parts.modules;
  const threads = await AgentThreads.start({
    node: self,
    threads: config.agents.workers ?? Math.max(1, availableParallelism() - 1),
    seed: seed(),
    clock: systemClock,
    spawn: spawnAgentThread,
    storePort: () => store.connect(),
    module: (spec) => modules.prepare(spec),
    sent: (message, inOutbox, done) => {
      const retry = inOutbox ? retry_ms : Math.min(retry_ms, volatileRetry_ms);
      started(parts.router).submit(message, { durable: inOutbox, retry_ms: retry, deadLetter: true, done });
    },
    event: (event) => agents.threadEvent(event),
    storage: (thread, reason) => {
      const text = reason === null ? "takes commits again" : `refuses commits: ${reason}`;
      events.record(reason === null ? "info" : "warn", "store.commits", `The store ${text}`, {
        thread,
        reason,
      });
    },
    lost: (thread, names, reason) => {
      const text = `Agent thread ${thread} ended (${reason}): bringing back its ${names.length} agents`;
      events.record("warn", "agents.thread_lost", text, { thread, agents: names.length, reason });
      agents.threadLost(names);
      // What its agents had sent durably is in the outbox; receivers recognise what they had already.
      resubmitOutbox().catch((error: unknown) => failed("send the outbox again", reasonOf(error)));
    },
  });
  parts.threads = threads;
  const router = new Router({
    self,
    session: directory.bootEpoch,
    clock: systemClock,
    prng: new Prng(seed()),
    membership,
    peers,
    store: store.client,
    local: threads,
    clients: {
      deliver: (address, message) => {
        if (address !== pingEndpoint) started(parts.messages).deliver(address, message);
      },
    },
    deadLettered: (reason, message) => recordDeadLetter(events, reason, receiverOf(message)),
    failed,
  });
  parts.router = router;
  const messages = new NodeMessages({
    self,
    clock: systemClock,
    router,
    membership,
    store: store.client,
    waiters,
    contentLimit_bytes: config.agents.max_message_size,
    retry_ms,
    newMessageId: () => uuidv7() as MessageId,
    failed,
  });
  parts.messages = messages;
  const resubmitOutbox = async (): Promise<void> => {
    for (const message of await store.client.recoverOutbox()) {
      router.submit(message, { durable: true, retry_ms, deadLetter: true, done: () => {} });
    }
  };
  return {
    threads,
    agents,
    modules,
    router,
    messages,
    restore: async () => {
      const { running, failed: broken } = await agents.restore();
      if (running + broken > 0) {
        const text = `Brought back ${running} agents${broken > 0 ? `; ${broken} failed to start` : ""}`;
        events.record(broken > 0 ? "warn" : "info", "agents.restored", text, { running, failed: broken });
      }
      await resubmitOutbox();
    },
    close: async (deadline_ms) => {
      agents.close();
      await threads.shutdown(deadline_ms);
      router.close();
      await preparer.close();
    },
  };
}

function started<T>(part: T | undefined): T {
  if (part === undefined) throw new Error("A part of the node was used before it was started");
  return part;
}

function recordDeadLetter(events: EventLog, reason: string, receiver: string): void {
  const text = `Message to ${quote(receiver)} became a dead letter: ${reason}`;
  events.record("warn", "message.dead_letter", text, { receiver, reason });
}

function recordAgentEvent(events: EventLog, event: LocalAgentEvent): void {
  switch (event.kind) {
    case "status":
      if (event.status === "failed") {
        events.record("warn", "agent.failed", `Agent '${event.agent}' failed: ${event.reason}`, { ...event });
      }
      return;
    case "trap":
      events.record("warn", "agent.trap", `Agent '${event.agent}' trapped: ${event.trap}`, { ...event });
      return;
    case "dead_letter":
      recordDeadLetter(events, event.reason, event.agent);
      return;
    case "yielded":
      events.record("warn", "agent.yielded", `Agent '${event.agent}' yielded to ${event.to}`, { ...event });
  }
}

/** One message to another node's router and its answer. Throws `CaxtonError("timeout")` or `("unreachable")`. */
export function pingNode(router: Router, self: NodeId, node: NodeId, timeout_ms: number): Promise<void> {
  const messageId = uuidv7() as MessageId;
  const message = encodeMessage({
    messageId,
    performative: "query-ref",
    priority: "normal",
    delivery: "at_most_once",
    createdAt_ms: systemClock.wall_ms(),
    replyBy_ms: 0,
    sender: `~ping.${messageId}@${self}`,
    receiver: `${pingEndpoint}@${node}`,
    conversationId: messageId,
    replyWith: "",
    inReplyTo: "",
    replyTo: "",
    protocol: "",
    language: "",
    ontology: "",
    traceContext: "",
    content: encodeUtf8("ping"),
  });
  return new Promise((resolve, reject) => {
    const done = (outcome: Outcome): void => {
      if (outcome === "accepted") resolve();
      else reject(new CaxtonError("unreachable", `Node "${node}" did not take a message: ${outcome}`));
    };
    router.submit(message, { durable: false, retry_ms: timeout_ms, deadLetter: false, done });
  });
}
