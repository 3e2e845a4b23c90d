/**
 * A whole Raft world in one process, from a seed: real cores on simulated disks, machines, clocks and network, clients
 * and troubles; then everything is healed, and it has to converge and to serve. Every step is checked. The same seed is
 * the same run, to the hash.
 */
import type { Prng } from "../../base/prng.ts";
import { identityOf, type RaftId } from "../../raft/configuration.ts";
import type { MembershipResult, RaftEffect, TransferResult } from "../../raft/effects.ts";
import type { Entry } from "../../raft/entry.ts";
import { decodeRaftMessage, encodeRaftMessage } from "../../raft/message-codec.ts";
import type { RaftMessage } from "../../raft/messages.ts";
import { Agenda } from "../agenda.ts";
import { generatorOf } from "../generator.ts";
import { RaftCheckers, RaftViolation } from "./checkers.ts";
import { RaftClients, type RaftClientsWorld } from "./clients.ts";
import { RaftNetwork } from "./network.ts";
import { RaftNode, type RaftNodeWorld } from "./node.ts";
import { foundersOf, memberIds, natureOf, type RaftScenario } from "./scenario.ts";
import { RaftTroubles, type RaftTroublesWorld } from "./troubles.ts";
import { Trace } from "../trace.ts";
import { demandLinearizable, type ViolationFound, violationOf } from "./verdict.ts";

export interface RaftRunResult {
  readonly seed: number;
  readonly violation: ViolationFound | null;
  readonly hash: string;
  readonly events: number;
  readonly committed: number;
  readonly answered: number;
  readonly elections: number;
  readonly changes: number;
  readonly transfers: number;
  readonly snapshots: number;
  /** The last lines of what happened; empty unless asked for. */
  readonly story: readonly string[];
}

/** After everything was healed clients go on for a while; then it has to serve and to agree within a bound. */
const settle_ms = 200;
const service_ms = 6_000;
/** A run with more is a loop. */
const eventsLimit = 200_000;
const hintDelay_ms = 2;
/** Share of the chunks of snapshots that a fault alters. */
const damagedChunks = 0.03;
/** Of so many worlds one sends its messages as bytes. */
const worldsOfBytes = 8;
const storyLimit = 400;

class RaftWorld implements RaftNodeWorld, RaftClientsWorld, RaftTroublesWorld {
  readonly nodes = new Map<RaftId, RaftNode>();
  readonly network: RaftNetwork;
  readonly checkers: RaftCheckers;
  readonly trace = new Trace();
  readonly story: string[] = [];
  changes = 0;
  transfers = 0;
  #moments = 0;
  readonly #agenda = new Agenda();
  readonly #prng: Prng;
  readonly #crashes = new Map<RaftNode, { left: number; readonly back_ms: number }>();
  readonly #clients: RaftClients;
  readonly #troubles: RaftTroubles;
  readonly #indices = new Map<RaftId, number>();

  constructor(
    private readonly scenario: RaftScenario,
    private readonly telling: boolean,
  ) {
    const { seed } = scenario;
    this.#prng = generatorOf(seed, "world");
    this.network = new RaftNetwork(scenario.network, generatorOf(seed, "network"));
    const founders = foundersOf(scenario);
    for (const [position, id] of memberIds(scenario).entries()) {
      const node = new RaftNode(id, natureOf(scenario, position), this, generatorOf(seed, id));
      if (position < founders.length) node.disk.found({ members: founders, outgoing: null });
      this.nodes.set(id, node);
      this.#indices.set(id, position);
    }
    this.checkers = new RaftCheckers(this.nodes);
    for (const node of this.nodes.values()) node.start();
    this.#clients = new RaftClients(this, generatorOf(seed, "clients"), scenario);
    this.#troubles = new RaftTroubles(this, scenario, generatorOf(seed, "troubles"));
  }

  get now(): number {
    return this.#agenda.now;
  }

  get events(): number {
    return this.#agenda.events;
  }

  at(time_ms: number, work: () => void): void {
    this.#agenda.at(time_ms, work);
  }

  say(line: () => string): void {
    if (!this.telling) return;
    this.story.push(`${this.now.toFixed(1).padStart(8)} ${line()}`);
    if (this.story.length > storyLimit) this.story.shift();
  }

  send(from: RaftNode, to: RaftId, message: RaftMessage): void {
    this.checkers.sent(from, to, message);
    const carried = this.#carried(from, to, message);
    for (const at of this.network.arrivals(from.id, to, this.now))
      this.at(at, () => {
        const node = this.nodes.get(to);
        if (node?.raft === null || node === undefined || this.network.isCut(from.id, to)) return;
        this.trace.add(
          this.now,
          message.kind.length,
          this.#indexOf(from.id) * 16 + this.#indexOf(to),
          message.term,
        );
        this.say(() => `${from.id} → ${to} ${describe(message)}`);
        node.input({ kind: "message", from: from.id, message: carried });
      });
  }

  effect(node: RaftNode, effect: RaftEffect): boolean {
    const armed = this.#crashes.get(node);
    if (armed !== undefined && --armed.left <= 0) {
      this.#crashes.delete(node);
      this.#comesBack(node, armed.back_ms);
      this.say(() => `${node.id} crashes before ${effect.kind}`);
      return true;
    }
    this.checkers.effect(node, effect);
    if (effect.kind === "status")
      this.say(() => {
        const { role, term, leader } = node.raft?.status(node.local) ?? {};
        return `${node.id} is ${role} in term ${term}, led by ${leader}`;
      });
    return false;
  }

  applied(node: RaftNode, entry: Entry): void {
    this.checkers.applied(node, entry);
  }

  stepped(node: RaftNode): void {
    this.checkers.stepped(node);
    const { raft } = node;
    if (raft !== null) this.trace.add(this.now, 1, raft.log.commit, raft.log.last.index);
  }

  membership(node: RaftNode, _id: number, result: MembershipResult): void {
    this.say(() => `${node.id} members: ${JSON.stringify(result)}`);
    if (result.kind === "changed") this.changes++;
  }

  transfer(_node: RaftNode, _id: number, result: TransferResult): void {
    if (result.kind === "transferred") this.transfers++;
  }

  crash(node: RaftNode, back_ms: number): void {
    if (node.raft === null) return;
    this.say(() => `${node.id} crashes`);
    node.crash();
    this.#comesBack(node, back_ms);
  }

  crashWithin(node: RaftNode, effects: number, back_ms: number): void {
    this.#crashes.set(node, { left: effects, back_ms });
  }

  run(): void {
    const { faults_ms } = this.scenario;
    this.#until(faults_ms);
    this.#heal();
    this.#until(faults_ms + settle_ms);
    this.#clients.stop();
    this.#serve();
    demandLinearizable(this.#clients.history);
  }

  /** Every member answers a read, and all have come to the same, within the bound. */
  #serve(): void {
    const end = this.now + service_ms;
    const served = new Set<RaftId>();
    for (const node of this.nodes.values()) {
      if (node.nature.options.witness) continue;
      const read = (): void =>
        node.read("a", ({ kind }) => {
          if (kind === "value") served.add(node.id);
          else this.at(this.now + 20, read);
        });
      read();
    }
    for (;;) {
      this.#until(this.now + 50);
      const missing = this.checkers.notEqualYet([...this.nodes.values()], served);
      if (missing === null) return;
      if (this.now >= end) throw missing;
    }
  }

  get answered(): number {
    return this.#clients.answered;
  }

  /** As it arrives: some worlds send bytes, and a chunk of a snapshot may be damaged. */
  #carried(from: RaftNode, to: RaftId, message: RaftMessage): RaftMessage {
    const { seed } = this.scenario;
    if (message.kind === "snapshot" && !this.network.calm && this.#prng.chance(damagedChunks)) {
      const bytes = message.bytes.map((byte, i) => (i === message.bytes.length >> 1 ? byte ^ 1 : byte));
      return { ...message, bytes };
    }
    if (seed % worldsOfBytes !== 0) return message;
    const envelope = { from: identityOf(from.id), to: identityOf(to), message };
    return decodeRaftMessage(encodeRaftMessage(envelope)).message;
  }

  #until(end: number): void {
    for (let work = this.#agenda.next(end); work !== undefined; work = this.#agenda.next(end)) {
      if (this.events > eventsLimit) throw new RaftViolation("no-loop", "too many events");
      work();
    }
  }

  #comesBack(node: RaftNode, back_ms: number): void {
    this.trace.add(this.now, 2, this.#indexOf(node.id), 0);
    // Whoever had a stream to it sees it end.
    for (const other of this.nodes.values()) {
      if (other === node || this.#prng.chance(0.4) || !other.nature.options.hints) continue;
      this.at(this.now + this.#prng.float() * hintDelay_ms, () =>
        other.input({ kind: "hint", peer: node.id }),
      );
    }
    this.at(this.now + back_ms, () => {
      if (node.raft !== null) return;
      this.say(() => `${node.id} is back`);
      node.start();
    });
  }

  #heal(): void {
    this.say(() => "everything is healed");
    this.#troubles.end();
    this.#crashes.clear();
    this.network.heal();
    this.network.calm = true;
    for (const node of this.nodes.values()) {
      node.disk.hungUntil = -Infinity;
      node.pausedUntil = Math.min(node.pausedUntil, this.now);
      const broken =
        node.disk.failing || (node.raft !== null && node.raft.status(node.local).stopped !== null);
      if (broken) node.crash();
      node.disk.failing = false;
      if (node.raft === null) node.start();
    }
  }

  /** Counts up: the order of the clients' calls and returns. */
  moment(): number {
    return ++this.#moments;
  }

  someNode(leading: boolean): RaftNode | undefined {
    const running = [...this.nodes.values()].filter(
      ({ raft, nature }) => raft !== null && !nature.options.witness,
    );
    const leaders = leading ? running.filter(({ raft }) => raft?.role === "leader") : [];
    return this.#prng.pick(leaders.length > 0 ? leaders : running);
  }

  #indexOf(id: RaftId): number {
    return this.#indices.get(id) ?? 0;
  }
}

function describe(message: RaftMessage): string {
  return JSON.stringify(message, (key, value: unknown) =>
    value instanceof Uint8Array ? value.length : key === "configuration" ? "…" : value,
  );
}

/** `telling` keeps the story of the run, which costs time. */
export function runRaft(scenario: RaftScenario, telling = false): RaftRunResult {
  const world = new RaftWorld(scenario, telling);
  let violation: RaftRunResult["violation"] = null;
  try {
    world.run();
  } catch (thrown) {
    violation = violationOf(thrown, world.now);
  }
  const { committed, elections, snapshots } = world.checkers;
  const { events, answered, changes, transfers, story } = world;
  const { hash } = world.trace;
  return {
    seed: scenario.seed,
    violation,
    hash,
    events,
    committed,
    answered,
    elections,
    changes,
    transfers,
    snapshots,
    story,
  };
}
