/**
 * A cluster of three or five machines in virtual time whose leader gives the agents of silent nodes to others as soon as their
 * leases allow it, while clocks drift as far as they may and processes are stopped, put to sleep, cut off and killed.
 * One invariant, looked at after every event: no two nodes may act for one agent at the same moment.
 */
import { parseNodeId, type NodeId } from "../../base/ids.ts";
import type { Prng } from "../../base/prng.ts";
import { VirtualClock } from "../../platform/memory/clock.ts";
import { generatorOf } from "../generator.ts";
import { LeaseNode, type LeaseNodeWorld } from "./node.ts";

export interface LeaseRun {
  readonly violation: { readonly checker: string; readonly at_ms: number; readonly what: string } | null;
  readonly permissions: number;
  readonly moves: number;
  readonly tenures: number;
}

const agents = 4;
const term_ms = 2_000;
/** Of a node that is configured otherwise than the rest. */
const longTerm_ms = 9_000;
const drift = 0.05;
const troubled_ms = 60_000;
/** All hold their leases again by then. */
const calm_ms = 20_000;
/** Promises of one event are resolved in so many rounds of their queue. */
const promiseRounds = 8;

class LeaseWorld implements LeaseNodeWorld {
  readonly clock = new VirtualClock();
  readonly drift = drift;
  readonly terms_ms = new Map<NodeId, number>();
  readonly nodes: LeaseNode[] = [];
  readonly owners = new Map<string, NodeId>();
  readonly #prng: Prng;
  readonly #up = new Set<string>();
  readonly #cuts = new Set<string>();
  /** When the last frame of each link comes: streams keep their order. */
  readonly #arrivals = new Map<string, number>();
  #early: string | null = null;

  constructor(seed: number) {
    this.#prng = generatorOf(seed, "lease-world");
    const size = seed % 3 === 0 ? 5 : 3;
    const ids = Array.from({ length: size }, (_, i) => parseNodeId(`node-${i + 1}`));
    for (let i = 0; i < agents; i++) this.owners.set(`agent-${i + 1}`, ids[i % size] as NodeId);
    for (const [i, id] of ids.entries())
      this.terms_ms.set(id, seed % 4 === 0 && i === 0 ? longTerm_ms : term_ms);
    for (const [i, id] of ids.entries()) {
      const node = new LeaseNode(this, id, generatorOf(seed, id), 1_000 * (i + 1));
      const rate = this.#prng.chance(0.7) ? 1 + drift * this.#prng.below(2) : 1 + drift * this.#prng.float();
      node.host.setClock(0, rate);
      this.nodes.push(node);
    }
  }

  async run(): Promise<LeaseRun> {
    await this.#begin();
    const end_ms = this.clock.now_ms() + troubled_ms;
    for (const node of this.nodes) this.#trouble(node, end_ms);
    const violation =
      (await this.#until(() => this.clock.now_ms() >= end_ms, troubled_ms)) ?? (await this.#calm());
    const sum = (count: (node: LeaseNode) => number): number =>
      this.nodes.reduce((total, node) => total + count(node), 0);
    const moves = [...this.owners].filter(([agent, owner]) =>
      this.nodes.some(({ machine }) => machine.owners.get(agent) !== owner),
    ).length;
    for (const node of this.nodes) {
      node.crash();
      node.databases.dispose();
    }
    return {
      violation,
      moves,
      permissions: sum(({ counts }) => counts.permissions),
      tenures: sum(({ counts }) => counts.tenures),
    };
  }

  carry(from: LeaseNode, to: NodeId, bytes: Uint8Array): void {
    const name = `${from.id} ${to}`;
    if (!this.#up.has(name)) return;
    const delay_ms = this.#prng.chance(0.04) ? this.#prng.below(300) : 0.2 + this.#prng.float();
    const due_ms = Math.max(this.clock.now_ms() + delay_ms, this.#arrivals.get(name) ?? 0);
    this.#arrivals.set(name, due_ms);
    const kept = bytes.slice();
    this.clock.after(due_ms - this.clock.now_ms(), () => {
      if (!this.#up.has(name) || this.#cuts.has(name)) return;
      const node = this.#node(to);
      const { life } = node;
      node.host.receiveStream(() => void (node.life === life && life?.driver.receive(from.id, kept)));
    });
  }

  isUp(from: LeaseNode, to: NodeId): boolean {
    return this.#up.has(`${from.id} ${to}`);
  }

  /** Connects whoever lives. */
  link(): void {
    for (const a of this.nodes) {
      for (const b of this.nodes) {
        const name = `${a.id} ${b.id}`;
        if (a === b || a.life === undefined || b.life === undefined || this.#up.has(name)) continue;
        this.#up.add(name);
        const { life } = a;
        a.host.after(0.2, () => void (a.life === life && life.driver.linkUp(b.id)));
      }
    }
  }

  permitted(leader: LeaseNode, node: NodeId, boot: number, term: number): void {
    const { life, host } = this.#node(node);
    // One of a term that has a successor is void: what is proposed with it names that term.
    const isVoid = this.nodes.some(
      ({ life: other }) => other?.status?.role === "leader" && other.status.term > term,
    );
    // A permission is about what the leader knew: what began meanwhile is what it stays clear of.
    if (!isVoid && life?.boot === boot && life.gate.holds() && this.#early === null && !host.paused)
      this.#early = `${leader.id} may give away what ${node} acts for`;
  }

  async #begin(): Promise<void> {
    const [first, ...rest] = this.nodes as [LeaseNode, ...LeaseNode[]];
    first.start(true);
    for (const node of rest) node.start();
    await this.#settled(() => first.life?.status?.ready === true);
    // Who leads may change while the others come.
    const leading = () => this.nodes.find(({ life }) => life?.status?.role === "leader")?.life;
    for (const node of rest) {
      const add = (role: "learner" | "voter"): void =>
        leading()?.driver.ask({
          kind: "membership",
          request: -this.clock.now_ms(),
          timeout_ms: 5_000,
          changes: [{ node: node.id, role, ...(role === "learner" && { identity: node.identity }) }],
        });
      const member = () => leading()?.status?.members.find((each) => each.node === node.id);
      await this.#settled(
        () => member()?.caughtUp === true,
        () => add("learner"),
      );
      await this.#settled(
        () => member()?.role === "voter",
        () => add("voter"),
      );
    }
    await this.#settled(() => this.nodes.every(({ life }) => life?.gate.holds() === true));
  }

  /** What happens to one machine, one thing after the other. */
  #trouble(node: LeaseNode, end_ms: number): void {
    const prng = this.#prng;
    this.clock.after(500 + prng.below(6_000), () => {
      if (this.clock.now_ms() >= end_ms) return;
      const lasts_ms = prng.chance(0.5) ? prng.below(1_500) : 1_000 + prng.below(4_000);
      const over = this.#begins(node, prng.below(6), lasts_ms);
      this.clock.after(lasts_ms, () => {
        over();
        this.#trouble(node, end_ms);
      });
    });
  }

  /** Returns what ends it. */
  #begins(node: LeaseNode, kind: number, lasts_ms: number): () => void {
    const { host } = node;
    const others = this.nodes.filter((other) => other !== node);
    switch (kind) {
      case 0:
        host.pause();
        return () => host.resume();
      case 1: {
        host.pause();
        const before_ms = host.now_ms();
        return () => {
          node.slept_ms += host.now_ms() - before_ms;
          host.resume();
        };
      }
      case 2:
        node.crash();
        this.#unlink(node);
        return () => node.start();
      case 3: {
        const [other] = others as [LeaseNode];
        const peer = this.#prng.chance(0.5) ? others : [other];
        const names = peer.flatMap(({ id }) => [`${node.id} ${id}`, `${id} ${node.id}`]);
        const cut = this.#prng.chance(0.3) ? names.filter((_, i) => i % 2 === 0) : names;
        for (const name of cut) this.#cuts.add(name);
        return () => this.#heal(cut);
      }
      case 4:
        return this.#lastFollower(node);
      default:
        node.life?.driver.ask({
          kind: "transfer",
          request: -this.clock.now_ms(),
          timeout_ms: lasts_ms + 1,
          to: null,
        });
        return () => undefined;
    }
  }

  /** The leader is stopped, and this node sees nobody but the leader: the others elect another one. */
  #lastFollower(node: LeaseNode): () => void {
    const leader = this.nodes.find(({ life }) => life?.status?.role === "leader");
    if (leader === undefined || leader === node) return () => undefined;
    const names = this.nodes.flatMap(({ id }) =>
      id === node.id || id === leader.id ? [] : [`${node.id} ${id}`, `${id} ${node.id}`],
    );
    for (const name of names) this.#cuts.add(name);
    leader.host.pause();
    return () => {
      leader.host.resume();
      // It is heard before it knows, and before the others are.
      this.clock.after(1_000, () => this.#heal(names));
    };
  }

  /** Connections are new then: greetings may be among what was lost. */
  #heal(names: readonly string[]): void {
    for (const name of names) {
      this.#cuts.delete(name);
      this.#up.delete(name);
    }
    this.link();
  }

  #unlink(node: LeaseNode): void {
    for (const name of this.#up) {
      if (!name.split(" ").includes(node.id)) continue;
      this.#up.delete(name);
      const [from] = name.split(" ");
      if (from !== node.id) this.#node(from as NodeId).life?.driver.linkDown();
    }
  }

  async #calm(): Promise<LeaseRun["violation"]> {
    this.#heal([...this.#cuts]);
    const all = (): boolean =>
      this.nodes.every(({ life, host }) => !host.paused && life !== undefined && life.gate.holds());
    const violation = await this.#until(all, calm_ms);
    if (violation !== null || all()) return violation;
    const without = this.nodes.filter(({ life }) => life?.gate.holds() !== true).map(({ id }) => id);
    return {
      checker: "held-again",
      at_ms: this.clock.now_ms(),
      what: `${without.join(", ")} without a lease`,
    };
  }

  /** Tries until it is so. */
  async #settled(condition: () => boolean, attempt: () => void = () => undefined): Promise<void> {
    for (let attempts = 0; attempts < 100 && !condition(); attempts++) {
      attempt();
      await this.#until(condition, 300);
    }
    if (!condition()) throw new Error(`The world did not begin: ${condition.toString()}`);
  }

  /** Runs on until the condition holds, or something is wrong. */
  async #until(condition: () => boolean, limit_ms: number): Promise<LeaseRun["violation"]> {
    const end_ms = this.clock.now_ms() + limit_ms;
    while (!condition() && (this.clock.next_ms() ?? Infinity) <= end_ms) {
      this.clock.step();
      for (let i = 0; i < promiseRounds; i++) await Promise.resolve();
      const what = this.#twoAct();
      if (what !== null) return { checker: "one-acts", at_ms: this.clock.now_ms(), what };
      if (this.#early !== null)
        return { checker: "none-acts", at_ms: this.clock.now_ms(), what: this.#early };
    }
    return null;
  }

  #twoAct(): string | null {
    const actors = new Map<string, NodeId>();
    for (const node of this.nodes) {
      for (const agent of node.acting()) {
        const other = actors.get(agent);
        if (other !== undefined) return `${other} and ${node.id} act for ${agent}`;
        actors.set(agent, node.id);
      }
    }
    return null;
  }

  #node(id: NodeId): LeaseNode {
    return this.nodes.find((node) => node.id === id) as LeaseNode;
  }
}

/** Plays the world of that seed. */
export function runLeases(seed: number): Promise<LeaseRun> {
  return new LeaseWorld(seed).run();
}
