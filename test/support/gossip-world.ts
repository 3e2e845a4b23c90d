/**
 * Several gossip drivers in one process over the simulated network and clock: real packets, real seals,
 * streams in memory. `World` makes nodes, cuts and pauses them, and asks for their views.
 */
import type { NodeId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { GossipDriver } from "../../src/cluster/gossip/driver.ts";
import type { GossipReport } from "../../src/cluster/gossip/reports.ts";
import { NodeClock, VirtualClock } from "../../src/platform/memory/clock.ts";
import { memoryDatagrams } from "../../src/platform/memory/datagrams.ts";
import { MemoryNetwork } from "../../src/platform/memory/network.ts";
import type { Address, Datagrams } from "../../src/ports/datagrams.ts";
import { createCertifier } from "../../src/security/death-certifier.ts";
import { createGossipSealer } from "../../src/security/gossip-sealer.ts";
import type { TimingProfile } from "../../src/swim/timing.ts";

export const clusterUuid = "0192f0c0-0000-7000-8000-000000000001";
const key = new Uint8Array(32).fill(7);
const gossipPort = 7946;
const pauseCheck_ms = 20;

export interface WorldNode {
  readonly id: NodeId;
  readonly host: string;
  readonly boot: number;
  readonly driver: GossipDriver;
  readonly clock: NodeClock;
  readonly reports: GossipReport[];
  /** Whom it keeps a stream to. */
  neighbours: readonly NodeId[];
  /** The gossip keys that it goes by. */
  keys: readonly Uint8Array[];
  down: boolean;
}

export interface NodeChoices {
  readonly boot?: number;
  readonly uuid?: string | null;
  readonly cluster?: string;
  readonly seeds?: readonly string[];
  readonly profile?: TimingProfile;
  readonly key?: Uint8Array;
  readonly host?: string;
  readonly datagrams?: Datagrams;
}

export class World {
  readonly clock = new VirtualClock();
  readonly prng: Prng;
  readonly network: MemoryNetwork;
  readonly nodes = new Map<string, WorldNode>();
  readonly datagrams: Datagrams;
  /** Bytes of gossip frames over streams. */
  streamed_bytes = 0;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.network = new MemoryNetwork(this.clock, new Prng(seed + 1));
    this.datagrams = memoryDatagrams(this.network);
  }

  async start(name: string, choices: NodeChoices = {}): Promise<WorldNode> {
    const host = choices.host ?? hostOf(name);
    const id = name as NodeId;
    const address: Address = { host, port: gossipPort };
    const boot = choices.boot ?? 1;
    const clock = new NodeClock(this.clock);
    const reports: GossipReport[] = [];
    const cluster = choices.cluster ?? "test";
    const driver: GossipDriver = new GossipDriver({
      self: id,
      boot,
      cluster,
      uuid: choices.uuid === undefined ? clusterUuid : choices.uuid,
      address,
      tags: {
        version: "0.1.0",
        region: "here",
        zone: "a",
        api: "",
        maxAgents: 100,
        weight: 1,
        services: ["api"],
      },
      profile: choices.profile ?? "lan",
      seed: this.prng.u32(),
      clock,
      certifierFor: (uuid) => createCertifier({ clusterName: cluster, clusterUuid: uuid, keys: node.keys }),
      sealerFor: (uuid) =>
        createGossipSealer({
          node: id,
          bootEpoch: boot,
          clusterName: cluster,
          clusterUuid: uuid,
          keys: node.keys,
        }),
      streams: {
        send: (to, frame) => this.#frame(node, to, frame),
        keep: (nodes) => void (node.neighbours = nodes),
        contact: (contact, to, hello) => this.#contact(node, contact, to, hello),
      },
      report: (report) => {
        reports.push(report);
        if (report.kind === "adopted") this.clock.after(1, () => node.driver.kept());
      },
    });
    const node: WorldNode = {
      id,
      host,
      boot,
      driver,
      clock,
      reports,
      neighbours: [],
      keys: [choices.key ?? key],
      down: false,
    };
    this.nodes.set(name, node);
    driver.join((choices.seeds ?? []).map((seed) => ({ host: hostOf(seed), port: gossipPort })));
    await driver.open(choices.datagrams ?? this.datagrams, address);
    return node;
  }

  /** A cluster of `count` nodes that all know each other. */
  async cluster(count: number, profile: TimingProfile = "lan"): Promise<WorldNode[]> {
    const nodes: WorldNode[] = [];
    for (let i = 1; i <= count; i++) {
      nodes.push(await this.start(`n${i}`, { profile, seeds: i === 1 ? [] : ["n1"] }));
    }
    const joined = this.clock.runUntil(
      () => nodes.every((node) => this.alive(node).length === count),
      60_000,
    );
    if (!joined) throw new Error("the nodes did not find each other in a minute");
    return nodes;
  }

  setKeys(node: WorldNode, keys: readonly Uint8Array[]): void {
    node.keys = keys;
    node.driver.setKeys(keys);
  }

  /** As kill -9: silent at once, and its machine closes its streams and refuses its packets. */
  async kill(node: WorldNode): Promise<void> {
    node.down = true;
    for (const other of this.nodes.values()) {
      if (other.neighbours.includes(node.id) || node.neighbours.includes(other.id)) this.#close(node, other);
    }
    await node.driver.close();
  }

  /** As a machine that loses its power: nothing says so. */
  async silence(node: WorldNode): Promise<void> {
    node.down = true;
    const others = [...this.nodes.values()].filter((other) => other !== node);
    this.network.cut(
      [node.host],
      others.map(({ host }) => host),
    );
    await node.driver.close();
  }

  /** As SIGSTOP of the whole process. */
  pause(node: WorldNode): void {
    node.clock.pause();
    this.network.pause(node.host);
  }

  resume(node: WorldNode): void {
    this.network.resume(node.host);
    node.clock.resume();
  }

  statusAt(node: WorldNode, of: WorldNode): string | undefined {
    return node.driver.members().find((member) => member.id === of.id)?.status;
  }

  alive(node: WorldNode): string[] {
    return node.driver
      .members()
      .filter((member) => member.status === "alive")
      .map((member) => member.id);
  }

  /** Member events of one kind that any live node reported. */
  events(kind: string): string[] {
    const found: string[] = [];
    for (const node of this.nodes.values()) {
      for (const report of node.reports) {
        if (report.kind === "member" && report.event === kind)
          found.push(`${report.member.id} at ${node.id}: ${report.reason}`);
      }
    }
    return found;
  }

  #close(gone: WorldNode, at: WorldNode): void {
    this.clock.after(this.network.delay_ms(gone.host, at.host), () => {
      if (!at.down && this.network.passes(gone.host, at.host)) at.driver.hint(gone.id, gone.boot);
    });
  }

  #frame(from: WorldNode, to: NodeId, frame: Uint8Array): boolean {
    const target = this.nodes.get(to);
    if (!target || from.down) return false;
    this.streamed_bytes += frame.length;
    const bytes = frame.slice();
    const arrive = (): void => {
      if (target.down || !this.network.passes(from.host, target.host)) return;
      if (this.network.isPaused(target.host)) this.clock.after(pauseCheck_ms, arrive);
      else target.driver.frame(from.id, bytes);
    };
    this.clock.after(this.network.delay_ms(from.host, target.host), arrive);
    return true;
  }

  #contact(from: WorldNode, contact: number, to: Address, hello: Uint8Array): void {
    const target = [...this.nodes.values()].find((node) => node.host === to.host && !node.down);
    const passes =
      target &&
      !this.network.isPaused(to.host) &&
      this.network.passes(from.host, to.host) &&
      this.network.passes(to.host, from.host);
    this.clock.after(target ? 2 * this.network.delay_ms(from.host, to.host) : 1, () => {
      if (from.down) return;
      const outcome =
        passes && !target.down
          ? ({
              kind: "answered",
              by: target.id,
              reply: target.driver.answerHello(hello, from.id, { host: from.host, port: 1 }),
            } as const)
          : ({ kind: "failed", code: "unreachable", reason: "no route" } as const);
      from.driver.contacted(contact, to, outcome);
    });
  }
}

/** Each name has its own host: `n7` is 10.0.0.7. */
function hostOf(name: string): string {
  const number = Number(name.replaceAll(/\D/g, ""));
  return `10.0.${Math.floor(number / 256)}.${number % 256}`;
}
