/** What a node does about who owns which agent: reads it, acts on it, and, when it leads, decides about lost nodes. */
import { counted } from "../../base/counted.ts";
import { AgentPeers } from "../../agents/agent-peers.ts";
import { HandOver } from "../../agents/hand-over.ts";
import { AssignedOwnership } from "../../agents/ownership.ts";
import { Reconciler, type ReconcilerEvent } from "../../agents/reconciler.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { registerTerm } from "../../cluster/leases/registered-terms.ts";
import { type AgentName, type NodeId, quote } from "../../base/ids.ts";
import { Prng } from "../../base/prng.ts";
import { systemClock } from "../../platform/node/clock.ts";
import { systemEntropy } from "../../platform/node/entropy.ts";
import type { Timer } from "../../ports/clock.ts";
import { logger } from "../../telemetry/log.ts";
import { drain } from "./drain.ts";
import type { EventLog } from "../events/event-log.ts";
import { Failover } from "./failover.ts";
import { FlapHold } from "./flap-hold.ts";
import type { Ground } from "../ground.ts";
import { agentPlaces } from "../agent-places.ts";
import { OpenStreams } from "../open-streams.ts";
import { OldStoreCheck } from "./old-store.ts";
import { OutboxHandOver } from "./outbox-hand-over.ts";
import { Rebalancer } from "./rebalancing.ts";
import type { OldStore } from "./store-age.ts";
import type { Work } from "../work.ts";

/** A start, and what is asked about its agents, waits for so long for the cluster's word on whose they are; they start when it comes. */
const authority_ms = 10_000;
const again_ms = 500;
/** With a pause between two that doubles: others leave too, or what was on its way here arrives. */
const drainRounds = 6;
const drainPause_ms = 100;

export class NodeOwnership {
  readonly reconciler: Reconciler;
  readonly handOver: HandOver;
  readonly ownership: AssignedOwnership;
  readonly rebalancer: Rebalancer;
  readonly #streams: OpenStreams;
  readonly #parts: Ground & { readonly work: Work };
  readonly #peers: AgentPeers;
  readonly #failover: Failover;
  readonly #outbox: OutboxHandOver;
  readonly #prng: Prng;
  readonly #oldStore: OldStoreCheck;
  /** It is known whose this node's agents are, and whether its store is an old copy. */
  readonly #isKnown = Promise.withResolvers<void>();
  #again: Timer | undefined;
  #closed = false;

  constructor(parts: Ground & { readonly work: Work }) {
    this.#parts = parts;
    const { config, foundation, network, control, work, events, failed } = parts;
    const { self, store } = foundation;
    const { membership, peers } = network;
    const { table, assignments } = control;
    this.#prng = new Prng(foundation.directory.bootEpoch);
    this.#streams = new OpenStreams(peers);
    this.ownership = new AssignedOwnership({
      membership,
      table,
      store: assignments,
      prng: this.#prng,
      traffic: (agent) => work.traffic.of(agent),
      connections: (node) => work.underWay(node),
      isUnheard: (node) => control.unheard.has(node),
    });
    this.reconciler = new Reconciler({
      self,
      table,
      store: assignments,
      durable: store.client,
      local: work.agents,
      modules: () => work.modules,
      clock: systemClock,
      known: () => this.#whenKnown(),
      event: (event) => recordOwnership(events, event, self, this.#oldStore.old),
      failed,
    });
    this.handOver = new HandOver({
      self,
      table,
      store: assignments,
      local: work.agents,
      reconciler: this.reconciler,
      peers,
      clock: systemClock,
      newTransfer,
      failed,
    });
    const { reconciler, handOver } = this;
    this.#peers = new AgentPeers({
      self,
      clock: systemClock,
      peers,
      local: work.agents,
      table,
      reconciler,
      handOver,
      store: store.client,
    });
    this.#outbox = new OutboxHandOver({
      peers,
      membership,
      store: store.client,
      router: work.router,
      retry_ms: config.messaging.retry,
      failed,
    });
    // What was given to others while nothing was held stops before anything of it gets out again.
    // Nor does anything of an old copy of its store, before that is known for one.
    parts.consensus.beforeActing(async () => {
      await this.#isKnown.promise;
      await table.refresh();
      await reconciler.yieldGiven();
    });
    this.#oldStore = this.#newOldStoreCheck();
    this.#failover = this.#newFailover();
    this.rebalancer = this.#newRebalancer();
  }

  /** Resolves when the agents of the last run are back, or wait for the cluster's word on whose they are. */
  async start(): Promise<void> {
    const { work } = this.#parts;
    const started = this.#startWhenKnown();
    if (work.agents.size === 0) return;
    const late = Promise.withResolvers<void>();
    const timer = systemClock.after(authority_ms, () => {
      logger("agents").warn("The cluster does not say whose this node's agents are: they start when it does");
      late.resolve();
    });
    await Promise.race([started, late.promise]);
    timer.cancel();
  }

  /** Gives agents and undelivered mail to others, as far as that goes within the time; nothing new is placed here. */
  async drain(within_ms: number, isOver: () => boolean = () => false): Promise<void> {
    const { foundation, control, work, events, tags } = this.#parts;
    this.#peers.gives = true;
    tags.set({ maxAgents: 0 });
    const end_ms = systemClock.now_ms() + within_ms;
    const options = {
      self: foundation.self,
      table: control.table,
      handOver: this.handOver,
      known: () => this.#whenKnown(),
      candidates: () => this.ownership.candidates(),
      traffic: (agent: AgentName) => work.traffic.of(agent),
      clock: systemClock,
      prng: this.#prng,
      events,
      isOver,
    };
    // Who goes by traffic goes by what is so now.
    const local = [...control.table.of(foundation.self)].some(
      (agent) => control.table.get(agent)?.spec.placement.strategy === "locality",
    );
    if (local) await work.traffic.gather();
    // What was on its way here when the others had not heard yet, or to a node that leaves too, goes in a later round.
    for (let round = 0; round < drainRounds; round++) {
      if (control.table.of(foundation.self).size === 0 && !this.#peers.expects) break;
      const left_ms = end_ms - systemClock.now_ms();
      if (isOver() || (round > 0 && left_ms <= 0)) break;
      if (round > 0)
        await new Promise<void>((resolve) => {
          systemClock.after(Math.min(left_ms, drainPause_ms * 2 ** (round - 1)), resolve);
        });
      const { stayed, placed } = await drain(options, Math.max(0, end_ms - systemClock.now_ms()));
      if (stayed > 0 && placed === 0) break;
    }
    // What may be an old copy's stays in it.
    if (isOver() || work.found.waits) return;
    const stayed = await this.#outbox.giveAway();
    if (stayed === 0) return;
    const text = `The outbox of ${foundation.self} keeps ${counted(stayed, "message")} that nobody took over`;
    events.record("warn", "drain.messages", text, { node: foundation.self, messages: stayed });
  }

  /** It gives nothing away any more, and takes agents again. */
  reopen(): void {
    this.#peers.gives = false;
    this.#parts.tags.set({ maxAgents: agentPlaces(this.#parts.config.node) });
  }

  /** Before consensus is told that this node goes. */
  async markStore(): Promise<void> {
    await this.#oldStore.close();
  }

  close(): void {
    this.#closed = true;
    void this.#oldStore.close();
    this.#again?.cancel();
    this.#peers.close();
    this.#failover.close();
    this.rebalancer.close();
    this.reconciler.close();
  }

  #newRebalancer(): Rebalancer {
    const { config, foundation, network, control, work, events, failed } = this.#parts;
    const { ownership } = this;
    return new Rebalancer({
      self: foundation.self,
      membership: network.membership,
      consensus: this.#parts.consensus.consensus,
      table: control.table,
      candidates: () => ownership.candidates(),
      handOver: this.handOver,
      peers: network.peers,
      events,
      clock: systemClock,
      traffic: () => work.traffic.gather(),
      strategy: () => control.balancing.strategy,
      unheard: control.unheard,
      roundRobinIndex: () => ownership.roundRobinIndex,
      backend: (node) => ({
        ...(ownership.placements.get(node) ?? { chosen: 0, failed: 0 }),
        in_flight: work.underWay(node),
        connections: this.#streams.of(node),
      }),
      onJoin: config.failover.rebalance_on_join,
      losses: new FlapHold(control.settings, systemClock),
      failed,
    });
  }

  #newOldStoreCheck(): OldStoreCheck {
    const { foundation, control, work, events } = this.#parts;
    return new OldStoreCheck({
      self: foundation.self,
      boot: foundation.directory.bootEpoch,
      settings: control.settings,
      store: foundation.store.client,
      assignments: control.assignments,
      table: control.table,
      local: work.agents,
      mail: work.found,
      events,
      clock: systemClock,
    });
  }

  #newFailover(): Failover {
    const { config, foundation, network, control, work, events, failed } = this.#parts;
    const { consensus, leases } = this.#parts.consensus;
    const { enable_auto_failover, failure_threshold, restart_grace } = config.failover;
    return new Failover({
      self: foundation.self,
      membership: network.membership,
      consensus,
      table: control.table,
      store: control.assignments,
      settings: control.settings,
      authority: leases,
      unheard: control.unheard,
      candidates: () => this.ownership.candidates(),
      chose: (node) => this.ownership.chose(node),
      traffic: (agent) => work.traffic.of(agent),
      events,
      clock: systemClock,
      prng: this.#prng,
      enabled: enable_auto_failover,
      threshold: failure_threshold,
      restartGrace_ms: restart_grace,
      failed,
    });
  }

  async #startWhenKnown(): Promise<void> {
    const { control, work, events } = this.#parts;
    while (!this.#closed && !(await this.#known())) {
      await new Promise<void>((resolve) => (this.#again = systemClock.after(again_ms, resolve)));
    }
    if (this.#closed) return;
    this.#isKnown.resolve();
    work.found.release();
    work.keepers.begin();
    await this.reconciler.start();
    const names = work.agents.names();
    if (names.length === 0) return;
    const statuses = names.map((name) => work.agents.get(name)?.status);
    const failed = statuses.filter((status) => status === "failed" || status === "starting").length;
    const running = names.length - failed;
    const text = `Brought back ${counted(running, "agent")}${failed > 0 ? `; ${failed} failed to start` : ""}`;
    events.record(failed > 0 ? "warn" : "info", "agents.restored", text, { running, failed });
    logger("agents").info(`${text}; ${control.table.size} in the cluster`);
  }

  /** Throws `unavailable` where it takes too long. */
  async #whenKnown(): Promise<void> {
    if (!this.#parts.work.found.waits) return;
    const late = Promise.withResolvers<void>();
    const timer = systemClock.after(authority_ms, () => {
      const { self } = this.#parts.foundation;
      const why = "the cluster does not say whose its agents are, and whether its data is an old copy";
      late.reject(new CaxtonError("unavailable", `Node ${quote(self)} waits with its agents: ${why}`));
    });
    await Promise.race([this.#isKnown.promise, late.promise]).finally(() => timer.cancel());
  }

  async #known(): Promise<boolean> {
    try {
      await this.#parts.control.table.refresh("linearizable");
      await this.#oldStore.check();
      await this.#registerTerm();
      return true;
    } catch (error) {
      if (error instanceof CaxtonError) return false;
      logger("agents").error(`Could not learn whose this node's agents are: ${reasonOf(error)}`);
      return false;
    }
  }

  /** So that no later leader takes this node's lease for shorter than it is. */
  async #registerTerm(): Promise<void> {
    const { config, foundation, network, control } = this.#parts;
    const { self } = foundation;
    const isMember = (node: NodeId): boolean => network.membership.member(node) !== undefined;
    try {
      await registerTerm({ self, ttl_ms: config.failover.lease_ttl, settings: control.settings, isMember });
    } catch (error) {
      // There is a bound on settings: one more node is no reason to stand still.
      if (!(error instanceof CaxtonError) || error.code !== "limit_exceeded") throw error;
      const why = `failover.lease_ttl of ${quote(self)} could not be told to the cluster: ${reasonOf(error)}`;
      logger("lease").warn(`${why}; give all nodes the same`);
    }
  }
}

/** 48 random bits above 0. */
function newTransfer(): number {
  const view = new DataView(systemEntropy.bytes(8).buffer);
  return view.getUint32(0) * 0x1_0000 + view.getUint16(4) + 1;
}

function recordOwnership(events: EventLog, event: ReconcilerEvent, self: NodeId, old: OldStore | null): void {
  const { agent } = event;
  if (event.kind === "set_back") {
    const since = old === null || old.since_ms === 0 ? null : new Date(old.since_ms).toISOString();
    const copy = `an old copy of ${self}'s data`;
    const text = event.anew
      ? `Agent '${agent}' began anew: ${copy} has nothing of it`
      : `Agent '${agent}' goes on from ${copy}: what it did since ${since ?? "then"} is gone`;
    events.record("warn", "agent.state_lost", text, { agent, from: self, since });
    return;
  }
  if (event.kind === "lost") {
    const text = `Agent '${agent}' began anew: what it had is on ${event.from}`;
    events.record("warn", "agent.state_lost", text, { agent, from: event.from });
    return;
  }
  const text = `Agent '${agent}' does not start here yet: ${event.reason}`;
  events.record("warn", "agent.not_started", text, { agent, reason: event.reason });
}
