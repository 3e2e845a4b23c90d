/**
 * A node's services held in memory, for testing the API and the client without a cluster: real in what
 * it keeps (agents, messages, dead letters, events), with one echo rule in place of agents that run.
 */
import type {
  ClusterEvent,
  Health,
  ListedDeadLetter,
  NodeServices,
  ChangedDeadLetters,
  NotAsked,
  SelectedDeadLetters,
  SendRequest,
  SendResult,
} from "../../src/api/services.ts";
import type { AgentLogLine } from "../../src/agents/agent-logs.ts";
import type { AgentDetail, AgentView } from "../../src/agents/agent-record.ts";
import { hashModule } from "../../src/agents/module-shelf.ts";
import { CaxtonError } from "../../src/base/errors.ts";
import type { AgentName, MessageId, NodeId } from "../../src/base/ids.ts";
import type { Member, MemberStatus } from "../../src/cluster/membership.ts";
import { ControlClient } from "../../src/control/control-client.ts";
import { KvStore } from "../../src/control/kv-store.ts";
import { LockService } from "../../src/control/lock-service.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { AgentSpec } from "../../src/wire/agent-spec.ts";
import { type Message, encodeMessage } from "../../src/wire/message.ts";
import { NodeRegistrations } from "../../src/node/operator/registrations.ts";
import { RegistrationStore } from "../../src/control/registration-store.ts";
import { MemoryOperator } from "./memory-operator.ts";
import { MemoryPartition } from "./memory-partition.ts";
import { MemoryPeersNetwork } from "./memory-peers.ts";
import { SingleNodeConsensus } from "./single-node-consensus.ts";

interface HeldAgent {
  spec: AgentSpec;
  suspended: boolean;
  logs: AgentLogLine[];
  /** What its detail says beyond a happy agent's. */
  trouble?: Partial<AgentDetail>;
}

export class MemoryServices implements NodeServices {
  readonly node = "node-1" as NodeId;
  readonly version = "0.0.0-test";
  readonly held = new Map<AgentName, HeldAgent>();
  readonly known: Member[] = [];
  /** Who was told to leave is seen to have left when the members were looked at so often. */
  #leaving: { readonly node: NodeId; looks: number } | undefined;
  readonly sent: SendRequest[] = [];
  readonly letters: ListedDeadLetter[] = [];
  readonly notAsked: NotAsked[] = [];
  readonly past: ClusterEvent[] = [];
  readonly left: { node: string; drain_ms: number }[] = [];
  healthy = true;
  leader: NodeId | null = null;
  readonly control = new SingleNodeConsensus();
  followers = 0;
  #strategy = "least_loaded";
  #wake: (() => void)[] = [];

  constructor(readonly clock: Clock) {
    this.#client = new ControlClient(this.control, clock, () => 5_000);
    this.kv = new KvStore(this.#client);
    this.locks = new LockService(this.#client, clock);
    const { node: self, control } = this;
    this.nodes = new NodeRegistrations({
      self,
      store: new RegistrationStore(this.#client),
      consensus: {
        status: () => ({ ...control.status(), leader: control.leads ? self : null }),
        onStatus: (handler) => control.onStatus(handler),
      },
      membership: { member: (id) => this.known.find((member) => member.id === id) },
      peers: new MemoryPeersNetwork(clock).join(self),
      clock,
      events: { record: (_level, type, text) => this.emit(type, text) },
      removeOfflineAfter_ms: null,
      failed: (what, reason) => this.troubles.push(`${what}: ${reason}`),
    });
    this.known.push(
      this.member("node-1", "alive"),
      this.member("node-2", "alive"),
      this.member("node-3", "failed"),
    );
  }

  member(id: string, status: MemberStatus): Member {
    return {
      id: id as NodeId,
      address: { host: "10.0.0.1", port: 7946 },
      status,
      bootEpoch: 1,
      incarnation: 0,
      tags: {
        version: "0.1.0",
        region: "eu",
        zone: "a",
        api: "",
        maxAgents: 100,
        weight: 100,
        services: ["agents"],
      },
      load: { agents: 50, cpu_percent: 40, memory_bytes: 1_000_000, memory_percent: 60 },
      lastSeen_ms: this.clock.wall_ms(),
    };
  }

  emit(type: string, text: string): void {
    this.past.push({
      id: this.past.length + 1,
      type,
      level: "info",
      at_ms: this.clock.wall_ms(),
      text,
      data: { text },
    });
    for (const wake of this.#wake.splice(0)) wake();
  }

  readonly partition = new MemoryPartition(this.node);

  readonly operator = new MemoryOperator(() => this.known.map(({ id }) => id));

  readonly nodes: NodeRegistrations;
  readonly troubles: string[] = [];

  /** Nodes that the leader does not hear. */
  readonly unheard: { node: NodeId; by: NodeId; since_ms: number }[] = [];

  readonly cluster: NodeServices["cluster"] = {
    members: () => {
      if (this.#leaving !== undefined && this.#leaving.looks-- === 0) {
        const { node } = this.#leaving;
        this.#leaving = undefined;
        const at = this.known.findIndex(({ id }) => id === node);
        if (at !== -1) this.known[at] = this.member(node, "left");
      }
      return [...this.known];
    },
    startedAt_ms: () => this.clock.wall_ms() - 3_725_000,
    status: () =>
      Promise.resolve({
        cluster: "test",
        uuid: null,
        node: this.node,
        status: "HEALTHY (majority partition)",
        operations: "READ-WRITE",
        nodes_active: 2,
        nodes_total: 3,
        queued_writes: 0,
        leader: this.leader,
        term: 3,
        voters: [this.node],
        lease: { held: true, losses: 0, without_ms: 0, why: null },
        unheard: this.unheard,
        isolated: [],
        shed_percentage: 0,
      }),
    assignments: () =>
      [...this.held.values()].map(({ spec }) => ({
        agent: spec.name,
        node: this.node,
        epoch: 1,
        revision: spec.revision,
        status: "running" as const,
        assignedAt_ms: spec.deployedAt_ms,
      })),
    agentCounts: () => new Map(this.known.map(({ id, load }) => [id, load.agents])),
    ping: (node) => {
      if (!this.known.some(({ id }) => id === node))
        throw new CaxtonError("node_not_found", `No node "${node}" is known`);
      return Promise.resolve({
        node,
        udp_ms: 0.5,
        estimate_ms: 0.6,
        stream_ms: null,
        message_ms: null,
        error: "stream: refused",
      });
    },
    leave: (node, { drain_timeout_ms: drain_ms }) => {
      this.left.push({ node, drain_ms });
      this.#leaving = { node, looks: 2 };
      return Promise.resolve();
    },
    remove: (node, force) => {
      const at = this.known.findIndex(({ id }) => id === node);
      if (at === -1) throw new CaxtonError("node_not_found", `No node "${node}" is known`);
      if (this.known[at]?.status === "alive" && !force)
        throw new CaxtonError("conflict", `Node "${node}" is alive`);
      this.known.splice(at, 1);
      return Promise.resolve();
    },
    verifyAuth: () =>
      Promise.resolve([
        {
          node: this.node,
          gossip_key: "match",
          certificate: "unknown",
          problem: null,
          detail: "not asked",
        } as const,
      ]),
    leader: () => ({
      leader: this.leader,
      term: 3,
      self: this.node,
      role: this.leader === this.node ? "leader" : "follower",
      quorum: this.control.quorum,
      commit: 12,
      applied: 12,
      members: [
        {
          node: this.node,
          role: "voter",
          priority: 1,
          identity: 1,
          contact: true,
          match: 12,
          boot: 1,
          caughtUp: true,
          stoppable:
            this.leader === this.node ? { safe: false, why: "no other node votes, 1 is needed" } : null,
        },
      ],
      joint: false,
      trouble: null,
    }),
    transferLeadership: (to) => {
      if (this.leader === null) throw new CaxtonError("no_quorum", "There is no leader");
      this.leader = to ?? this.node;
      return Promise.resolve(this.leader);
    },
    compareState: () =>
      Promise.resolve({
        index: 12,
        nodes: [{ node: this.node, hash: this.control.state.hash.root, same: true, detail: "" }],
        difference: null,
      }),
    verify: (node, deep) =>
      Promise.resolve([
        { node: node ?? this.node, check: deep ? "section kv" : "state hash", ok: this.healthy, detail: "" },
      ]),
    performance: () =>
      Promise.resolve([{ metric: "Local routing P50", target_ms: 0.1, actual_ms: null, ok: null }]),
    balancing: () => ({ strategy: this.#strategy, round_robin_index: 0 }),
    setBalancing: (strategy) => {
      this.#strategy = strategy;
      return Promise.resolve();
    },
  };

  /** What a rebalance would move. */
  readonly moves: { agent: AgentName; from: NodeId; to: NodeId; why: string }[] = [];
  readonly balancing: NodeServices["balancing"] = {
    view: () => ({ strategy: "least_loaded", round_robin_index: 0, backends: [] }),
    plan: (strategy) => Promise.resolve({ strategy, moves: this.moves, limit: 200 }),
    rebalance: (strategy) => {
      const moves = this.moves.splice(0);
      return Promise.resolve({ strategy, moves, limit: 200, moved: moves.length, failed: [], seconds: 0.5 });
    },
  };

  readonly agents: NodeServices["agents"] = {
    instances: () => [],
    deploy: async ({ name, wasm, options, principal }) => {
      if (wasm[0] !== 0) throw new CaxtonError("invalid_module", "The module does not begin with \\0asm");
      const before = this.held.get(name);
      const revision = (before?.spec.revision ?? 0) + 1;
      const module = hashModule(wasm);
      const spec = {
        ...options,
        name,
        module,
        revision,
        epoch: 1,
        deployedAt_ms: this.clock.wall_ms(),
        deployedBy: principal,
      };
      this.held.set(name, { spec, suspended: false, logs: [] });
      return { agent: this.#view(name), created: before === undefined, why: "least loaded", instances: [] };
    },
    revisionOf: (name) =>
      Promise.resolve(this.held.has(name as AgentName) ? this.#view(name as AgentName).revision : 0),
    list: () => [...this.held.keys()].map((name) => ({ ...this.#view(name), detail: null })),
    show: async (name) => this.#view(name),
    remove: async (name) => {
      this.#agent(name);
      this.held.delete(name);
    },
    suspend: async (name) => {
      this.#agent(name).suspended = true;
    },
    resume: async (name) => {
      this.#agent(name).suspended = false;
    },
    migrate: async (name) => this.#view(name),
    logs: async (name, limit) => this.#agent(name).logs.slice(-limit),
  };

  readonly #client: ControlClient;
  readonly kv: KvStore;
  readonly locks: LockService;

  readonly messages: NodeServices["messages"] = {
    send: async (request) => this.#send(request),
    list: async ({ conversation, limit, cursor }) => {
      const all = this.sent
        .map(({ message }) => message)
        .filter((m) => conversation === null || m.conversationId === conversation);
      const start = Number(cursor ?? 0);
      return {
        items: all.slice(start, start + limit),
        next: start + limit < all.length ? String(start + limit) : null,
      };
    },
    conversations: async () => ({
      items: [
        {
          id: "c1",
          messages: 2,
          participants: ["~alice", "echo"],
          protocol: "",
          firstAt_ms: 0,
          lastAt_ms: 1_000,
        },
      ],
      next: null,
    }),
  };

  /** Its own and node-2's; node-3 is failed. */
  readonly deadLetters: NodeServices["deadLetters"] = {
    list: async ({ node, limit }) => {
      const letters = this.letters.filter((letter) => node === null || letter.node === node);
      return { items: letters.slice(0, limit), next: null, notAsked: node === null ? this.notAsked : [] };
    },
    replay: async (selected) => this.#take(selected),
    purge: async (selected) => this.#take(selected),
  };

  readonly events: NodeServices["events"] = {
    follow: (after, signal) => this.#follow(after, signal),
    followAll: (after, signal) => this.#follow(after, signal),
  };

  /** Rotations of the gossip key until now. */
  rotations = 0;
  readonly security: NodeServices["security"] = {
    rotateGossipKey: () => {
      const [previous, key] = [this.rotations++, this.rotations].map((n) => n.toString(16).padStart(16, "0"));
      const nodes = this.known.map(({ id, status }) => ({
        node: id,
        status: status === "alive" ? ("rotated" as const) : ("down" as const),
      }));
      return Promise.resolve({ key: key ?? "", previous: previous ?? "", nodes });
    },
  };

  /** Put there by `apiWorld`, which has the key. */
  tokens: NodeServices["tokens"] = {
    issue: () => Promise.reject(new Error("no key")),
  };

  readonly health: NodeServices["health"] = {
    live: () => Promise.resolve(this.#health()),
    ready: () => Promise.resolve(this.#health()),
  };

  #health(): Health {
    return {
      ok: this.healthy,
      checks: [{ name: "store", ok: this.healthy, detail: this.healthy ? "open" : "closed" }],
    };
  }

  #agent(name: AgentName): HeldAgent {
    const held = this.held.get(name);
    if (held === undefined) throw new CaxtonError("agent_not_found", `No agent "${name}"`);
    return held;
  }

  #view(name: AgentName): AgentView {
    const { spec, suspended, trouble } = this.#agent(name);
    const detail = {
      spec,
      inbox: 0,
      inbox_bytes: 0,
      memory_bytes: 65_536,
      handled: 7,
      traps: 0,
      trap_kinds: {},
      last_trap: null,
      restarts: 0,
      reason: "",
      ...trouble,
    };
    const { revision, epoch, module } = spec;
    return {
      name,
      node: this.node,
      status: detail.reason !== "" ? "failed" : suspended ? "suspended" : "running",
      revision,
      epoch,
      module,
      detail,
      assignment: {
        cause: "deployed",
        previous: null,
        previousEpoch: 0,
        at_ms: this.clock.wall_ms(),
        lost: null,
        lostSince_ms: null,
        runsOn: this.node,
      },
      kept: [],
    };
  }

  /** Content that begins with "q" is queued. The agent `echo` answers with what it got; `mute` never does; others do not exist. */
  #send(request: SendRequest): SendResult {
    const { message, wait_ms, principal } = request;
    const number = String(this.sent.length + 1).padStart(12, "0");
    const messageId = `00000000-0000-7000-8000-${number}` as MessageId;
    const complete: Message = { ...message, messageId, sender: `~${principal}` };
    if (message.receiver !== "echo" && message.receiver !== "mute") {
      throw new CaxtonError("agent_not_found", `No node hosts agent "${message.receiver}"`);
    }
    this.sent.push({ ...request, message: complete });
    const retry_ms = 60_000;
    if (wait_ms === null) {
      const status = message.content[0] === 113 ? ("queued" as const) : ("delivered" as const);
      return { messageId, status, retry_ms, reply: null };
    }
    if (message.receiver === "mute")
      throw new CaxtonError(
        "timeout",
        `No reply from "mute" in time; message ${messageId} is delivered all the same`,
      );
    const reply: Message = {
      ...complete,
      performative: "inform",
      sender: "echo",
      receiver: `~${principal}`,
      inReplyTo: messageId,
    };
    return { messageId, status: "delivered", retry_ms, reply };
  }

  deadLetter(id: number, message: Message, node = "node-1"): void {
    this.letters.push({
      node: node as NodeId,
      id,
      reason: "unknown_agent",
      detail: "nobody has it",
      at_ms: 0,
      message: encodeMessage(message),
    });
  }

  #take({ ids, node }: SelectedDeadLetters): ChangedDeadLetters {
    const at = ids === "all" ? node : (node ?? this.node);
    const kept = this.letters.filter(
      (letter) => (at !== null && letter.node !== at) || (ids !== "all" && !ids.includes(letter.id)),
    );
    const count = this.letters.length - kept.length;
    this.letters.splice(0, this.letters.length, ...kept);
    return { count, notAsked: ids === "all" && node === null ? this.notAsked : [], noAnswer: [] };
  }

  async *#follow(after: number | null, signal: AbortSignal): AsyncIterable<ClusterEvent> {
    this.followers += 1;
    try {
      let next = after ?? this.past.length;
      while (!signal.aborted) {
        const event = this.past[next];
        if (event !== undefined) {
          next += 1;
          yield event;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake.push(resolve);
            signal.addEventListener("abort", () => resolve(), { once: true });
          });
        }
      }
    } finally {
      this.followers -= 1;
    }
  }
}
