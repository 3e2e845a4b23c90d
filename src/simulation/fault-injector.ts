/** Makes the faults of a scenario happen, and ends them. What each means to a node is told to `Truth`. */
import { unreachable } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import type { VirtualClock } from "../platform/memory/clock.ts";
import { lastWordPause_ms, lastWordTimes } from "../node/process/last-word.ts";
import type { EndedLife } from "../swim/removal-proof.ts";
import { encodeCertificatePacket } from "../wire/death-certificate.ts";
import { encodeRecord, type GossipRecord, joinRecords } from "../wire/gossip-records.ts";
import type { NodeTags } from "../wire/gossip-tags.ts";
import type { Degradation, Links } from "./links.ts";
import { addressOf, type SimulatedNetwork } from "./network.ts";
import { parseNodeSet } from "./node-set.ts";
import type { Happening } from "./observer.ts";
import type { Geography } from "./regions.ts";
import type { Fault, Scenario } from "./scenario.ts";
import { SilentPeers } from "./silent-peers.ts";
import { certifierOf, type SimulatedNode } from "./simulated-node.ts";
import { toTicks_ms } from "./ticks.ts";
import type { Truth } from "./truth.ts";

export interface InjectorWorld {
  readonly clock: VirtualClock;
  readonly scenario: Scenario;
  readonly geography: Geography;
  readonly links: Links;
  readonly network: SimulatedNetwork;
  readonly nodes: readonly SimulatedNode[];
  readonly truth: Truth;
  readonly prng: Prng;
  readonly happened: (node: number, what: Happening) => void;
  /** The run goes on after what was begun here is done. */
  readonly settle: (work: Promise<void>) => void;
}

/** A liar tells so many members, as gossip does. */
const liarFanout = 3;
const floodRecords = 40;
/** Of a later start: each liar tells its own tale. */
const restarted = 10_000;
/** A start in the far future: who believes it never believes the node itself again. */
const futureBoot = 2 ** 47;

export class FaultInjector {
  readonly #degradations = new Map<Fault, Degradation>();

  readonly #silentPeers: SilentPeers;

  constructor(private readonly world: InjectorWorld) {
    this.#silentPeers = new SilentPeers(world);
  }

  /** Throws `CaxtonError` when a fault speaks of nodes that are not there. */
  check(): void {
    for (const fault of this.world.scenario.faults) {
      this.#set("nodes" in fault ? fault.nodes : "all");
      if ("peers" in fault && fault.peers !== undefined) this.#set(fault.peers);
      if (fault.kind === "remove") this.#set(fault.by);
      if (fault.kind === "lie") this.#set(fault.about);
    }
  }

  begin(fault: Fault): void {
    const { nodes: all, truth, links, network, prng } = this.world;
    switch (fault.kind) {
      case "crash":
        for (const node of this.#nodes(fault.nodes)) {
          node.powered = fault.silent !== true;
          if (node.powered && node.life !== undefined) this.#endStreams(node);
          if (node.powered && fault.certified === true) this.#certify(node);
          this.world.settle(node.crash());
        }
        return;
      case "leave":
        for (const node of this.#nodes(fault.nodes)) node.leave();
        return;
      case "remove":
        this.#remove(fault.nodes, fault.by);
        return;
      case "pause":
      case "stall":
      case "slow":
      case "wedge":
      case "disk":
        truth.disturb(this.#set(fault.nodes));
        for (const node of this.#nodes(fault.nodes)) this.#hurt(node, fault);
        return;
      case "cut":
        links.cut(this.#set(fault.nodes), this.#peers(fault), fault.oneWay === true);
        truth.lookAtCuts();
        return;
      case "degrade":
        truth.disturb(this.#set(fault.nodes));
        this.#degrade(fault);
        return;
      case "clock":
        for (const node of this.#nodes(fault.nodes)) node.host.setClock(fault.skew_ms ?? 0, fault.drift ?? 1);
        return;
      case "flap":
        for (const node of this.#nodes(fault.nodes)) if (node.life !== undefined) this.#endStreams(node);
        return;
      case "deploy":
        for (const node of this.#nodes(fault.nodes)) node.deploy(fault.count);
        return;
      case "retire":
        for (const node of this.#nodes(fault.nodes)) node.retire(fault.count);
        return;
      case "replay":
        network.replay(fault.count, prng);
        return;
      case "lie":
        for (const node of this.#nodes(fault.nodes)) {
          const subjects = this.#set(fault.about).flatMap((index) => all[index] ?? []);
          for (const subject of subjects) this.#lie(node, subject, fault.step);
        }
        return;
      default:
        unreachable(fault);
    }
  }

  /** What goes wrong inside of one machine. */
  #hurt(
    node: SimulatedNode,
    fault: Extract<Fault, { kind: "pause" | "stall" | "slow" | "wedge" | "disk" }>,
  ): void {
    const { truth } = this.world;
    if (fault.kind !== "slow" && fault.kind !== "disk") truth.mute([node.index]);
    switch (fault.kind) {
      case "pause":
        this.#silentPeers.begins(node);
        node.host.pause();
        return;
      case "stall":
        node.host.stall();
        return;
      case "slow":
        node.host.setCost(fault.cost_ms);
        return;
      case "wedge":
        this.#silentPeers.begins(node);
        node.wedged = true;
        return;
      case "disk":
        node.disk.set(fault.errors === true ? "errors" : "hangs");
    }
  }

  /** Only of faults with `for_ms`. */
  end(fault: Fault): void {
    const { truth, links } = this.world;
    switch (fault.kind) {
      case "crash":
      case "leave":
        for (const node of this.#nodes(fault.nodes)) this.world.settle(node.start());
        return;
      case "pause":
        truth.calm(this.#set(fault.nodes));
        truth.unmute(this.#set(fault.nodes));
        for (const node of this.#nodes(fault.nodes)) {
          this.#silentPeers.ends(node);
          node.host.resume();
        }
        return;
      case "stall":
        truth.calm(this.#set(fault.nodes));
        truth.unmute(this.#set(fault.nodes));
        for (const node of this.#nodes(fault.nodes)) node.host.unstall();
        return;
      case "slow":
        truth.calm(this.#set(fault.nodes));
        for (const node of this.#nodes(fault.nodes)) node.host.setCost(0);
        return;
      case "wedge":
        truth.calm(this.#set(fault.nodes));
        truth.unmute(this.#set(fault.nodes));
        for (const node of this.#nodes(fault.nodes)) {
          node.wedged = false;
          this.#silentPeers.ends(node);
        }
        return;
      case "cut":
        links.heal(this.#set(fault.nodes), this.#peers(fault), fault.oneWay === true);
        truth.lookAtCuts();
        return;
      case "disk":
        truth.calm(this.#set(fault.nodes));
        for (const node of this.#nodes(fault.nodes)) node.disk.set("well");
        return;
      case "degrade":
        truth.calm(this.#set(fault.nodes));
        this.#restore(fault);
        return;
      case "clock":
        for (const node of this.#nodes(fault.nodes)) node.host.setClock(0, 1);
        return;
      case "remove":
      case "flap":
      case "deploy":
      case "retire":
      case "replay":
      case "lie":
        return;
      default:
        unreachable(fault);
    }
  }

  /** Its launcher does: a few datagrams to a few members, once the process was waited for. */
  #certify(node: SimulatedNode): void {
    const { clock, network } = this.world;
    const word = node.lastWord();
    for (let round = 1; word !== null && round <= lastWordTimes; round++) {
      clock.after(toTicks_ms(round * lastWordPause_ms), () => {
        for (const to of word.to) network.forge(node.index, to, word.packet);
      });
    }
  }

  /** Its kernel tells the other ends, where it can reach them. */
  #endStreams(node: SimulatedNode): void {
    const { clock, links, nodes } = this.world;
    const { boot } = node;
    for (const other of nodes) {
      if (other === node || !links.passes(node.index, other.index)) continue;
      clock.after(toTicks_ms(links.delay_ms(node.index, other.index)), () => other.streamEnded(node, boot));
    }
  }

  #remove(gone: string, by: string): void {
    const { nodes, truth } = this.world;
    const operated = this.#set(by).find((node) => truth.up[node] === 1);
    if (operated === undefined) return;
    for (const node of this.#nodes(gone)) {
      const driver = nodes[operated]?.driver;
      // One that runs is removed where it is thought to have failed.
      const status = driver?.members().find(({ id }) => id === node.id)?.status;
      if (node.life !== undefined && status !== "failed") continue;
      const boot = driver?.members().find(({ id }) => id === node.id)?.bootEpoch;
      if (driver === undefined || boot === undefined || !this.#decide(operated, { node: node.id, boot }))
        continue;
      driver.remove(node.id, boot);
      this.world.happened(node.index, "removed");
    }
  }

  /**
   * The log takes a removal with a majority of those that run, which apply it; the others hear it of them. False where
   * too few can be reached: the operator is told so.
   */
  #decide(operated: number, life: EndedLife): boolean {
    const { nodes, truth, links, clock, prng } = this.world;
    const running = nodes.filter(({ index, id }) => truth.up[index] === 1 && id !== life.node);
    const reached = running.filter(({ index }) => {
      return index !== operated && links.passes(operated, index) && links.passes(index, operated);
    });
    const needed = Math.floor(running.length / 2);
    if (reached.length < needed) return false;
    for (const { index, life: present } of prng.shuffle(reached).slice(0, needed)) {
      clock.after(toTicks_ms(2 * links.delay_ms(operated, index)), () => {
        const node = nodes[index];
        if (node?.life === present) node?.driver?.removals([life]);
      });
    }
    return true;
  }

  #degrade(fault: Extract<Fault, { kind: "degrade" }>): void {
    const degradation: Degradation = {
      nodes: new Set(this.#set(fault.nodes)),
      peers: new Set(this.#set(fault.peers ?? "all")),
      loss: fault.loss ?? 0,
      duplication: fault.duplication ?? 0,
      delay_ms: fault.delay_ms ?? 0,
    };
    this.#degradations.set(fault, degradation);
    this.world.links.degrade(degradation);
  }

  #restore(fault: Fault): void {
    const degradation = this.#degradations.get(fault);
    if (degradation) this.world.links.restore(degradation);
  }

  /** Each kind of word about a member, too far ahead, from a member that holds the key. */
  #lie(liar: SimulatedNode, subject: SimulatedNode, step: number): void {
    const { truth, prng, nodes } = this.world;
    const [boot, counter] = [truth.boot[subject.index] as number, truth.counter[subject.index] as number];
    const incarnation = { boot, counter: Math.min(0xffff_ffff, counter + step) };
    const row = nodes[liar.index]?.driver?.members().find(({ id }) => id === subject.id);
    if (!row || boot < 0) return;
    truth.slandered_ms[subject.index] = this.world.clock.now_ms();
    const address = addressOf(subject.index);
    const words: GossipRecord[] = [
      { kind: "alive", node: subject.id, incarnation, address, tags: row.tags },
      {
        kind: "alive",
        node: subject.id,
        incarnation: { boot: futureBoot, counter: 0 },
        address,
        tags: row.tags,
      },
      ...(liar === subject ? [] : this.#restarts(liar, subject, row.tags)),
      { kind: "suspect", node: subject.id, incarnation, accuser: liar.id },
      { kind: "failed", node: subject.id, incarnation, accuser: liar.id },
      { kind: "failed", node: subject.id, incarnation: { boot, counter }, accuser: liar.id },
      // Of a life that never began: whoever believes it takes the true one for old.
      { kind: "suspect", node: subject.id, incarnation: { boot: boot + 1, counter: 0 }, accuser: liar.id },
    ];
    for (const word of words) {
      for (let i = 0; i < liarFanout; i++) {
        const to = prng.below(nodes.length);
        if (nodes[to]?.life !== undefined) liar.forge(to, joinRecords([encodeRecord(word)]));
      }
    }
    this.#flood(liar, subject);
    this.#certifyFalsely(liar, subject);
  }

  /** That the other's life has ended, which only its launcher can sign: as gossip, and by itself. */
  #certifyFalsely(liar: SimulatedNode, subject: SimulatedNode): void {
    const { prng, nodes, network } = this.world;
    const uuid = liar.driver?.uuid;
    if (uuid === null || uuid === undefined || subject.life === undefined) return;
    const signed = certifierOf(uuid).sign(subject.id, subject.boot);
    const certificate = { ...signed, signature: signed.signature.map((byte) => byte ^ 1) };
    const to = prng.below(nodes.length);
    if (nodes[to]?.life === undefined || to === liar.index) return;
    liar.forge(to, joinRecords([encodeRecord({ kind: "certificate", ...certificate })]));
    network.forge(liar.index, to, encodeCertificatePacket(certificate));
  }

  /** A new life that never began, in the other's place and in the liar's own. */
  #restarts(liar: SimulatedNode, subject: SimulatedNode, tags: NodeTags): GossipRecord[] {
    const boot = this.world.truth.boot[subject.index] as number;
    const restart = (epochs: number, where: SimulatedNode): GossipRecord => ({
      kind: "alive",
      node: subject.id,
      incarnation: { boot: boot + epochs + liar.index, counter: 0 },
      address: addressOf(where.index),
      tags,
    });
    return [restart(1, subject), restart(restarted, liar)];
  }

  /** As many old accusations of it as a packet holds: each asks for a longer answer. */
  #flood(liar: SimulatedNode, subject: SimulatedNode): void {
    const boot = (this.world.truth.boot[subject.index] as number) - 1;
    const old: GossipRecord = {
      kind: "suspect",
      node: subject.id,
      incarnation: { boot, counter: 0 },
      accuser: liar.id,
    };
    liar.forge(subject.index, joinRecords(Array.from({ length: floodRecords }, () => encodeRecord(old))));
  }

  #peers(fault: { readonly nodes: string; readonly peers?: string }): number[] {
    if (fault.peers !== undefined) return this.#set(fault.peers);
    const inside = new Set(this.#set(fault.nodes));
    return this.#set("all").filter((node) => !inside.has(node));
  }

  #nodes(text: string): SimulatedNode[] {
    return this.#set(text).flatMap((index) => this.world.nodes[index] ?? []);
  }

  #set(text: string): number[] {
    return parseNodeSet(text, this.world.scenario.nodes, this.world.geography);
  }
}
