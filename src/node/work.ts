/** What a node does for its agents: their threads, the router between them and the cluster, clients' messages. */
import { counted } from "../base/counted.ts";
import { uuidv7 } from "uuidv7";
import { availableParallelism } from "node:os";
import { AgentThreads, type AgentThreadsOptions } from "../agents/agent-threads.ts";
import { LocalAgents } from "../agents/local-agents.ts";
import { AssignedRoutes } from "../agents/assigned-routes.ts";
import type { AssignmentTable } from "../agents/assignment-table.ts";
import { ModuleKeepers } from "../agents/module-keepers.ts";
import { ModuleShelf } from "../agents/module-shelf.ts";
import { spawnAgentThread } from "../agents/spawn-agent-thread.ts";
import { present } from "../base/assert.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { AgentName, MessageId, NodeId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import type { NodeLease } from "../cluster/leases/node-lease.ts";
import type { Config } from "../config/keys.ts";
import { ReplyWaiters } from "../messaging/reply-waiters.ts";
import { Router } from "../messaging/router.ts";
import { systemClock } from "../platform/node/clock.ts";
import { systemEntropy } from "../platform/node/entropy.ts";
import type { ClusterKeys } from "../security/jwks.ts";
import { logger } from "../telemetry/log.ts";
import { createPreparer } from "../wasm/prepare-thread.ts";
import { encodeUtf8 } from "../wire/cursor.ts";
import {
  decodeMessage,
  encodeMessage,
  messageIdOf,
  plainMessage,
  receiverOf,
  senderOf,
  type Message,
} from "../wire/message.ts";
import type { Outcome } from "../wire/outcome.ts";
import { AgentEvents, recordDeadLetter } from "./events/agent-events.ts";
import type { EventLog } from "./events/event-log.ts";
import { failureNotice } from "./events/failure-notice.ts";
import type { Foundation } from "./foundation.ts";
import { NodeDeadLetters } from "./dead-letters.ts";
import { machineMemory_bytes } from "./load-monitor.ts";
import { NodeMessages } from "./message-service.ts";
import type { Network } from "./network.ts";
import { FoundMail } from "./ownership/found-mail.ts";
import { TrafficMeter } from "./ownership/traffic-meter.ts";

/** A volatile agent's message to elsewhere is in memory only: retried for this long at most. */
const volatileRetry_ms = 30_000;

/** Every node takes messages for it; that is the answer. */
const pingEndpoint = "~ping";

/** What `Work` is made of besides its own parts. */
export interface WorkOptions {
  readonly config: Config;
  readonly foundation: Foundation;
  readonly network: Network;
  readonly events: EventLog;
  readonly lease: NodeLease;
  readonly keys: ClusterKeys;
  readonly table: AssignmentTable;
  /** Whether the way to that node is cut by a partition, as far as this node can tell. */
  readonly isCutOff: (node: NodeId) => boolean;
  readonly failed: (what: string, reason: string) => void;
}

export class Work {
  readonly agents: LocalAgents;
  readonly modules: ModuleShelf;
  readonly keepers: ModuleKeepers;
  readonly routes: AssignedRoutes;
  readonly traffic: TrafficMeter;
  readonly router: Router;
  readonly messages: NodeMessages;
  readonly deadLetters: NodeDeadLetters;
  /** What the outbox had when this node started. */
  readonly found: FoundMail;
  readonly #options: WorkOptions;
  readonly #agentEvents: AgentEvents;
  readonly #preparer = createPreparer();
  /** By thread: why its commits fail at present. */
  readonly #refusals = new Map<number, string>();
  #threads: AgentThreads | undefined;
  #deliveringHere = 0;

  /** Resolves when the agent threads run; the agents themselves come with `restore`. */
  static async start(options: WorkOptions): Promise<Work> {
    const work = new Work(options);
    work.#threads = await AgentThreads.start(work.#threadOptions());
    options.network.peers.onGone((node, boot) => {
      // A refused connection, which has none, tells nothing new.
      if (boot !== null) work.keepers.makeReady(node);
    });
    return work;
  }

  private constructor(options: WorkOptions) {
    this.#options = options;
    const { config, foundation, network, events, failed } = options;
    const { self, store } = foundation;
    const { membership, peers } = network;
    this.#agentEvents = new AgentEvents(events, systemClock);
    this.agents = new LocalAgents({
      store: store.client,
      membership,
      threads: () => this.threads,
      modules: () => this.modules,
      maxAgents: config.node.max_agents,
      fence: (agent) => this.router.fence(agent),
      event: (event) => {
        this.#agentEvents.record(event);
        if (event.kind === "dead_letter" && event.request !== null) this.#notify(event.request, event);
      },
      failed,
    });
    this.routes = new AssignedRoutes(membership, options.table);
    this.keepers = new ModuleKeepers({
      table: options.table,
      membership,
      modules: () => this.modules,
      stored: () => store.client.listModules(),
      clock: systemClock,
      failed,
    });
    this.modules = new ModuleShelf({
      store: store.client,
      preparer: this.#preparer,
      membership,
      peers,
      inUse: (hash) => this.agents.usesModule(hash) || this.keepers.wants(hash),
      keepers: (hash) => this.keepers.of(hash),
      clock: systemClock,
    });
    this.traffic = this.#newTraffic();
    // Before the router, which at once takes what peers have sent by now: answers to clients may be among it.
    this.messages = new NodeMessages({
      self,
      clock: systemClock,
      router: () => this.router,
      membership: this.routes,
      // Keys of nodes are kept when nodes are gone, and over restarts.
      nodeKnown: (node) => membership.member(node) !== undefined || options.keys.owners().has(node),
      store: store.client,
      waiters: new ReplyWaiters(systemClock),
      contentLimit_bytes: config.agents.max_message_size,
      retry_ms: config.messaging.retry,
      newMessageId: () => uuidv7() as MessageId,
      secret: foundation.messageSecret,
      failed,
    });
    this.found = this.#newFoundMail();
    this.router = this.#newRouter();
    options.lease.subscribe((held) => {
      if (held) this.router.actsAgain();
    });
    const { retry: retry_ms } = config.messaging;
    const { router } = this;
    this.deadLetters = new NodeDeadLetters({
      self,
      membership,
      peers,
      store: store.client,
      router,
      retry_ms,
    });
  }

  get threads(): AgentThreads {
    return present(this.#threads, "the agent threads of a started node");
  }

  /** Messages to agents of that node, as far as this one sends them, that were not accepted yet. */
  underWay(node: NodeId): number {
    return node === this.#options.foundation.self ? this.#deliveringHere : this.router.underWay(node);
  }

  /** Knows of the agents of the last run, and takes up its undelivered mail before any of them begins and sends more. */
  async restore(): Promise<void> {
    await this.agents.load();
    await this.#resubmitOutbox();
  }

  /** What runs is finished and committed; then nothing is routed any more. */
  async close(deadline_ms: number): Promise<void> {
    this.keepers.close();
    this.#agentEvents.close();
    this.traffic.close();
    await this.#threads?.shutdown(deadline_ms);
    this.router.close();
    await this.#preparer.close();
  }

  #newTraffic(): TrafficMeter {
    const { table, network } = this.#options;
    const { membership, peers } = network;
    const handled = (agent: AgentName): Promise<number | null> => this.#handled(agent);
    return new TrafficMeter({ table, membership, peers, clock: systemClock, handled });
  }

  async #handled(agent: AgentName): Promise<number | null> {
    if (this.#threads?.has(agent) !== true) return null;
    try {
      return (await this.#threads.detail(agent)).handled;
    } catch {
      // It ended, or its thread did.
      return null;
    }
  }

  #newFoundMail(): FoundMail {
    return new FoundMail({
      router: () => this.router,
      store: this.#options.foundation.store.client,
      doubted: (message) => {
        if (senderOf(message).startsWith("~"))
          this.#notify(decodeMessage(message), { reason: "old_copy", detail: "" });
      },
    });
  }

  #newRouter(): Router {
    const { foundation, network, events, failed } = this.#options;
    const { self, directory, store } = foundation;
    const { peers } = network;
    return new Router({
      self,
      session: directory.bootEpoch,
      clock: systemClock,
      prng: new Prng(randomSeed()),
      membership: this.routes,
      peers,
      store: store.client,
      isCutOff: this.#options.isCutOff,
      instanceFor: (receiver, key) => this.routes.groups.pick(receiver as AgentName, key()),
      accepted: (message) => this.traffic.sent(message),
      local: {
        deliver: (message, done) => {
          // Peers may send before this node's threads run: they try again.
          if (this.#threads === undefined) {
            done("unreachable");
            return;
          }
          this.#deliveringHere++;
          this.#threads.deliver(message, (outcome) => {
            this.#deliveringHere--;
            done(outcome);
          });
        },
      },
      acting: {
        holds: () => this.#options.lease.holds(),
        frees: (message) => !this.found.holds(message) && this.#frees(senderOf(message)),
      },
      epochHere: (agent) => this.agents.get(agent as AgentName)?.spec.epoch,
      clients: {
        deliver: (address, message) => {
          if (address !== pingEndpoint) this.messages.deliver(address, message);
        },
      },
      deadLettered: (reason, message) => {
        recordDeadLetter(events, reason, receiverOf(message));
        if (senderOf(message).startsWith("~")) this.#notify(decodeMessage(message), { reason, detail: "" });
      },
      failed,
    });
  }

  /** Whether what that sender said may leave while the node has no lease. */
  #frees(sender: string): boolean {
    return sender.startsWith("~") || this.#threads?.goesOn(sender as AgentName) === true;
  }

  #threadOptions(): AgentThreadsOptions {
    const { config, foundation } = this.#options;
    return {
      node: foundation.self,
      threads: config.agents.workers ?? Math.max(1, availableParallelism() - 1),
      memory_bytes: config.agents.memory_budget ?? Math.floor(machineMemory_bytes() / 2),
      seed: randomSeed(),
      clock: systemClock,
      lease: this.#options.lease,
      spawn: spawnAgentThread,
      storePort: () => foundation.store.connect(),
      module: (spec) => this.modules.prepare(spec),
      sent: (message, inOutbox, done) => {
        const { retry } = config.messaging;
        const retry_ms = inOutbox ? retry : Math.min(retry, volatileRetry_ms);
        this.router.submit(message, { durable: inOutbox, retry_ms, deadLetter: true, done });
      },
      event: (event) => this.agents.threadEvent(event),
      storage: (thread, reason) => this.#storage(thread, reason),
      lost: (thread, names, reason) => this.#threadLost(thread, names, reason),
    };
  }

  /** Tells a client, at whatever node it waits, that its message became a dead letter. */
  #notify(request: Message, why: { readonly reason: string; readonly detail: string }): void {
    const { self } = this.#options.foundation;
    const messageId = uuidv7() as MessageId;
    const notice = failureNotice(request, why, { messageId, self, now_ms: systemClock.wall_ms() });
    if (notice === null) return;
    const options = { durable: false, retry_ms: volatileRetry_ms, deadLetter: false, done: () => {} };
    // Not within what ended the message: that is not finished yet.
    queueMicrotask(() => this.router.submit(encodeMessage(notice), options));
  }

  /** A thread tells at each failed commit; people are told when something has changed. */
  #storage(thread: number, reason: string | null): void {
    if ((this.#refusals.get(thread) ?? null) === reason) return;
    if (reason === null) this.#refusals.delete(thread);
    else this.#refusals.set(thread, reason);
    const text = reason === null ? "The store takes commits again" : `The store refuses commits: ${reason}`;
    const log = logger("store");
    if (reason === null) log.info(text);
    else log.warn(text);
    const level = reason === null ? "info" : "warn";
    this.#options.events.record(level, "store.commits", text, { thread, reason });
  }

  async #threadLost(thread: number, names: readonly AgentName[], reason: string): Promise<void> {
    const { events, failed } = this.#options;
    const text = `Agent thread ${thread} ended (${reason}): bringing back its ${counted(names.length, "agent")}`;
    events.record("warn", "agents.thread_lost", text, { thread, agents: names.length, reason });
    this.agents.threadLost(names);
    // Nothing had begun: the router has the outbox.
    if (this.found.waits) return;
    // What its agents had sent durably is in the outbox; receivers recognise what they had already.
    await this.#resubmitOutbox().catch((error: unknown) => failed("send the outbox again", reasonOf(error)));
  }

  async #resubmitOutbox(): Promise<void> {
    const { config, foundation } = this.#options;
    const retry_ms = config.messaging.retry;
    for (const message of await foundation.store.client.recoverOutbox()) {
      if (this.router.carries(messageIdOf(message))) continue;
      const done = this.threads.carries(message);
      const options = { durable: true, retry_ms, deadLetter: true, done };
      this.found.add(message, () => this.router.submit(message, options));
    }
  }
}

function randomSeed(): number {
  return new DataView(systemEntropy.bytes(4).buffer).getUint32(0);
}

/** One message to another node's router and its answer. Throws `CaxtonError("timeout")` or `("unreachable")`. */
export function pingNode(router: Router, self: NodeId, node: NodeId, timeout_ms: number): Promise<void> {
  const messageId = uuidv7() as MessageId;
  const message = plainMessage({
    messageId,
    performative: "query-ref",
    delivery: "at_most_once",
    createdAt_ms: systemClock.wall_ms(),
    sender: `~ping.${messageId}@${self}`,
    receiver: `${pingEndpoint}@${node}`,
    conversationId: messageId,
    content: encodeUtf8("ping"),
  });
  return new Promise((resolve, reject) => {
    const done = (outcome: Outcome): void => {
      if (outcome === "accepted") resolve();
      else reject(new CaxtonError("unreachable", `Node "${node}" did not take a message: ${outcome}`));
    };
    router.submit(encodeMessage(message), { durable: false, retry_ms: timeout_ms, deadLetter: false, done });
  });
}
