/**
 * A whole cluster in one process: real gossip drivers on simulated machines, one virtual clock, one heap of
 * events. The same scenario gives the same run on every runtime; `hash` is its fingerprint.
 */
import { assert } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import type { GossipDriver } from "../cluster/gossip/driver.ts";
import type { GossipStats } from "../cluster/membership.ts";
import type { GossipReport } from "../cluster/gossip/reports.ts";
import { VirtualClock } from "../platform/memory/clock.ts";
import { ByteMemo } from "../wire/byte-memo.ts";
import type { GossipRecord } from "../wire/gossip-records.ts";
import { Agreement } from "./agreement.ts";
import { type Bounds, boundsOf } from "./bounds.ts";
import { FaultInjector } from "./fault-injector.ts";
import { generatorOf } from "./generator.ts";
import { Host } from "./host.ts";
import { Links } from "./links.ts";
import { SimulatedNetwork } from "./network.ts";
import { nodeIndex } from "./node-set.ts";
import type { Happening, Observer } from "./observer.ts";
import { type Geography, geographyOf } from "./regions.ts";
import { type Fault, type Scenario, seedsCount } from "./scenario.ts";
import type { Scene } from "./scene.ts";
import { SimulatedNode } from "./simulated-node.ts";
import type { StreamEnd } from "./streams.ts";
import type { MessageHappening } from "./messaging.ts";
import { toTicks_ms } from "./ticks.ts";
import { Traffic } from "./traffic.ts";
import { Trace } from "./trace.ts";
import { Truth } from "./truth.ts";
import { Views } from "./views.ts";

/** All processes start within this time, as a rollout does. */
const startSpread_ms = 500;
const second_ms = 1_000;
/** More events than this without time going on are a loop, not work. */
const stuckLimit_events = 500_000;
/** What a trace entry is about. */
const traced = { packet: 1, report: 2, happening: 3, fault: 4, message: 5 } as const;
const happenings: readonly Happening[] = [
  "started",
  "joined",
  "crashed",
  "leaving",
  "left",
  "removed",
  "expelled",
];

export class World implements Scene {
  readonly clock = new VirtualClock();
  readonly geography: Geography;
  readonly bounds: Bounds;
  readonly links: Links;
  readonly network: SimulatedNetwork;
  readonly nodes: readonly SimulatedNode[];
  readonly truth: Truth;
  readonly views: Views;
  readonly agreement: Agreement;
  readonly #trace = new Trace();
  readonly #observers: Observer[] = [];
  readonly #injector: FaultInjector;
  readonly #prng: Prng;
  readonly #memo = new ByteMemo<GossipRecord>();
  readonly #stats = new Map<number, GossipStats>();
  #statsAt_ms = -1;
  #unsettled: Promise<void>[] = [];
  #stopped = false;
  /** Promises of the event just run may have been resolved. */
  #busy = false;
  readonly #settle = (work: Promise<void>): void => void this.#unsettled.push(work);

  /** Throws `CaxtonError` when the scenario speaks of nodes that it does not have. */
  constructor(readonly scenario: Scenario) {
    const { seed, nodes: count, network: quality, faults } = scenario;
    this.#prng = generatorOf(seed, "world");
    this.geography = geographyOf(scenario.regions);
    this.bounds = boundsOf(scenario, this.geography);
    this.links = new Links(count, this.geography);
    const hosts = Array.from({ length: count }, () => new Host(this.clock));
    const nodes: SimulatedNode[] = [];
    this.nodes = nodes;
    this.truth = new Truth(count, () => this.now(), this.links);
    this.views = new Views(count, this.truth);
    this.agreement = new Agreement(this);
    this.network = new SimulatedNetwork(this.clock, this.links, hosts, quality, {
      seed,
      recording: faults.some(({ kind }) => kind === "replay"),
      powered: (node) => nodes[node]?.powered ?? false,
      sent: (packet) => {
        this.#trace.add(this.now(), traced.packet, packet.from, packet.to);
        this.#trace.addTail(packet.bytes);
        for (const observer of this.#observers) observer.sent?.(packet);
      },
    });
    const ends = hosts.map((host, node) => this.#streamEnd(host, () => nodes[node]));
    const streams = { clock: this.clock, links: this.links, ends, loss: quality.loss, seed };
    const seeds = Array.from({ length: Math.min(seedsCount, count) }, (_, node) => node);
    for (const [index, host] of hosts.entries()) {
      nodes.push(
        new SimulatedNode(index, host, {
          seed,
          profile: scenario.profile,
          plain: scenario.plain === true,
          network: this.network,
          streams,
          memo: this.#memo,
          seeds,
          region: (node) => this.geography.names[this.links.region(node)] ?? "",
          beating: faults.some(({ kind }) => kind === "wedge"),
          begins: (node, boot) => this.truth.begins(node, boot),
          report: (node, report) => this.#reported(node, report),
          believed: (node, packet, payload) => {
            for (const observer of this.#observers) observer.believed?.(node, packet, payload);
          },
          happened: (node, what) => this.#happened(node, what),
          messages: scenario.messages ?? 0,
          message: (happening) => this.#message(happening),
          busy: () => void (this.#busy = true),
          settle: this.#settle,
          announced: (node) => {
            this.agreement.announced();
            for (const observer of this.#observers) observer.announced?.(node);
          },
        }),
      );
    }
    const prng = generatorOf(seed, "faults");
    const { clock, geography, links, network, truth } = this;
    this.#injector = new FaultInjector({
      clock,
      scenario,
      geography,
      links,
      network,
      nodes,
      truth,
      prng,
      happened: (node, what) => this.#happened(node, what),
      settle: this.#settle,
    });
    this.#injector.check();
  }

  get hash(): string {
    return this.#trace.hash;
  }

  /** Traced events. */
  get events(): number {
    return this.#trace.count;
  }

  now(): number {
    return this.clock.now_ms();
  }

  driver(node: number): GossipDriver | undefined {
    return this.nodes[node]?.driver;
  }

  stats(node: number): GossipStats | undefined {
    if (this.#statsAt_ms !== this.now()) this.#stats.clear();
    this.#statsAt_ms = this.now();
    const known = this.#stats.get(node);
    if (known) return known;
    const stats = this.driver(node)?.stats();
    if (stats) this.#stats.set(node, stats);
    return stats;
  }

  sentPackets(node: number): number {
    return this.network.sentPackets[node] ?? 0;
  }

  agreedSince_ms(): number | null {
    return this.agreement.since_ms;
  }

  /** Before `run`. */
  watch(observer: Observer): void {
    this.#observers.push(observer);
  }

  /** Ends the run after the present event. */
  stop(): void {
    this.#stopped = true;
  }

  /** Plays the scenario. `progress` is called each virtual second. Throws what a driver throws: a bug. */
  async run(progress: (now_ms: number) => void = () => {}): Promise<void> {
    const { duration_ms, faults, agents } = this.scenario;
    for (const node of this.nodes) {
      const at_ms = node.index === 0 ? 0 : this.#prng.float() * startSpread_ms;
      this.clock.after(toTicks_ms(at_ms), () => {
        if (agents > 0) node.deploy(agents);
        this.#unsettled.push(node.start());
      });
    }
    for (const fault of faults) this.#plan(fault);
    const traffic = new Traffic(this.scenario, this.clock, this.nodes);
    traffic.begin();
    const everySecond = (): void => {
      this.agreement.second();
      for (const observer of this.#observers) observer.second?.();
      progress(this.now());
      this.clock.after(second_ms, everySecond);
    };
    this.clock.after(second_ms, everySecond);
    let [moment_ms, stuck] = [-1, 0];
    while (!this.#stopped && (this.clock.next_ms() ?? Infinity) <= duration_ms) {
      this.clock.step();
      stuck = this.now() > moment_ms ? 0 : stuck + 1;
      moment_ms = this.now();
      assert(stuck < stuckLimit_events, "events come to an end: a node wakes itself for ever at one moment");
      if (this.#unsettled.length > 0) await this.#settled();
      while (this.#busy) {
        this.#busy = false;
        await turn();
      }
    }
    if (!this.#stopped) for (const observer of this.#observers) observer.ended?.();
    await Promise.all(this.nodes.map(async (node) => await node.driver?.close()));
  }

  #plan(fault: Fault): void {
    this.clock.after(toTicks_ms(fault.at_ms), () => {
      this.#faulted(fault, "begins");
      this.#injector.begin(fault);
    });
    if (fault.for_ms === undefined) return;
    this.clock.after(toTicks_ms(fault.at_ms + fault.for_ms), () => {
      this.#faulted(fault, "ends");
      this.#injector.end(fault);
    });
  }

  async #settled(): Promise<void> {
    while (this.#unsettled.length > 0) {
      const work = this.#unsettled;
      this.#unsettled = [];
      await Promise.all(work);
    }
  }

  #message(happening: MessageHappening): void {
    this.#trace.add(this.now(), traced.message, happening.kind.length, 0);
    for (const observer of this.#observers) observer.message?.(happening);
  }

  #reported(node: number, report: GossipReport): void {
    if (report.kind === "member" || report.kind === "forgotten") {
      const { member } = report;
      this.#trace.add(this.now(), traced.report, node, nodeIndex(member.id));
      this.#trace.add(member.bootEpoch, traced.report, member.incarnation, member.status.length);
    }
    this.truth.reported(node, report);
    this.views.reported(node, report);
    for (const observer of this.#observers) observer.reported?.(node, report);
    this.agreement.look();
  }

  #happened(node: number, what: Happening): void {
    this.#trace.add(this.now(), traced.happening, node, happenings.indexOf(what));
    this.truth.happened(node, what);
    this.views.happened(node, what);
    this.agreement.disturbed();
    for (const observer of this.#observers) observer.happened?.(node, what);
  }

  #faulted(fault: Fault, phase: "begins" | "ends"): void {
    this.#trace.add(this.now(), traced.fault, fault.kind.length, phase === "begins" ? 1 : 0);
    this.truth.faulted(fault, phase);
    this.agreement.disturbed();
    for (const observer of this.#observers) observer.faulted?.(fault, phase);
  }

  #streamEnd(host: Host, node: () => SimulatedNode | undefined): StreamEnd {
    return {
      life: () => node()?.life,
      powered: () => node()?.powered ?? false,
      paused: () => host.paused,
      stalled: () => host.stalled,
      receive: (task) => host.receiveStream(task),
      frame: (from, kind, bytes) => node()?.frame(from, kind, bytes),
      linkDown: (to, kind) => node()?.linkDown(to, kind),
      answerHello: (hello, from) => node()?.answerHello(hello, from) ?? new Uint8Array(),
    };
  }
}

/** All that is resolved has run after it. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
