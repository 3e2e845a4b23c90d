/**
 * The whole of consensus in one process, from a seed: real drivers, logs and control states of several nodes on simulated
 * disks, streams and clocks, with clients of the key-value store and of locks, and troubles. Then all is healed: they
 * have to agree, row by row, and to serve. The same seed is the same run, to the hash.
 */
import type { NodeId } from "../../base/ids.ts";
import type { Prng } from "../../base/prng.ts";
import type { ConsensusReport } from "../../cluster/consensus/requests.ts";
import type { CommittedEntry } from "../../control/replicated-state.ts";
import { type RaftId, raftIdOf } from "../../raft/configuration.ts";
import { decodeRaftMessage } from "../../raft/message-codec.ts";
import { encodeControlQuery } from "../../wire/control-command.ts";
import { decodeSectionCheck, encodeSectionWalk, walkLimit } from "../../wire/control-hash.ts";
import { controlQueries } from "../../wire/control-kinds.ts";
import { isGreeting } from "../../wire/raft-greeting.ts";
import { ConsensusClients } from "./clients.ts";
import { ConsensusLinks } from "./links.ts";
import { ConsensusNode } from "./node.ts";
import type { ProcessOptions } from "./process.ts";
import { type ConsensusScenario, consensusNatureOf, nodeNames } from "./scenario.ts";
import { ConsensusTroubles } from "./troubles.ts";
import { Agenda } from "../agenda.ts";
import { generatorOf } from "../generator.ts";
import { RaftCheckers, RaftViolation } from "../raft/checkers.ts";
import { demandLinearizable, type ViolationFound, violationOf } from "../raft/verdict.ts";
import { Trace } from "../trace.ts";

export interface ConsensusRunResult {
  readonly seed: number;
  readonly violation: ViolationFound | null;
  readonly hash: string;
  readonly events: number;
  readonly committed: number;
  readonly answered: number;
  readonly elections: number;
  readonly restarts: number;
  readonly changes: number;
  readonly transfers: number;
  readonly snapshots: number;
  /** Transactions that crashes took back. */
  readonly lost: number;
  /** The last lines of what happened; empty unless asked for. */
  readonly story: readonly string[];
}

const settle_ms = 150;
const service_ms = 8_000;
const eventsLimit = 200_000;
const storyLimit = 400;
/** A node tries so long for its client. */
const patience_ms = 800;
/** After a full disk the log is opened again. */
const reopen_ms = 150;

class ConsensusWorld {
  readonly nodes: ConsensusNode[] = [];
  readonly links: ConsensusLinks;
  readonly checkers: RaftCheckers;
  readonly trace = new Trace();
  readonly story: string[] = [];
  changes = 0;
  transfers = 0;
  #moments = 0;
  #isWoken = false;
  #broken: RaftViolation | null = null;
  readonly #agenda = new Agenda();
  readonly #prng: Prng;
  readonly #byName = new Map<NodeId, ConsensusNode>();
  readonly #back = new Map<ConsensusNode, number>();
  readonly #clients: ConsensusClients;
  readonly #troubles: ConsensusTroubles;

  constructor(
    private readonly scenario: ConsensusScenario,
    private readonly telling: boolean,
  ) {
    const { seed, nodes } = scenario;
    this.#prng = generatorOf(seed, "consensus world");
    this.links = new ConsensusLinks(this, scenario.links, generatorOf(seed, "links"));
    const names = nodeNames(scenario);
    const participants = new Map<RaftId, ConsensusNode>();
    for (const [index, name] of names.entries()) {
      const nature = { ...consensusNatureOf(seed, index), options: { witness: false } };
      const node = new ConsensusNode(name, this, nature, generatorOf(seed, `crashes of ${name}`));
      if (index < nodes) node.found(names.slice(0, nodes));
      this.nodes.push(node);
      this.#byName.set(name, node);
      participants.set(node.id, node);
    }
    this.checkers = new RaftCheckers(participants);
    for (const node of this.nodes) node.start();
    this.#clients = new ConsensusClients(this, generatorOf(seed, "clients"), scenario);
    this.#troubles = new ConsensusTroubles(this, scenario, generatorOf(seed, "troubles"));
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

  woken(): void {
    this.#isWoken = true;
  }

  moment(): number {
    return ++this.#moments;
  }

  broken(violation: RaftViolation): void {
    this.#broken ??= violation;
  }

  say(line: () => string): void {
    if (!this.telling) return;
    this.story.push(`${this.now.toFixed(1).padStart(8)} ${line()}`);
    if (this.story.length > storyLimit) this.story.shift();
  }

  end(name: NodeId): ConsensusNode | undefined {
    return this.#byName.get(name);
  }

  someNode(): ConsensusNode | undefined {
    return this.#prng.pick(this.nodes.filter(({ isUp }) => isUp));
  }

  optionsOf({ boot }: ConsensusNode): ProcessOptions {
    const { seed, timing, limits, snapshotEvery_entries } = this.scenario;
    return { boot, seed: seed * 1_009 + boot * 31, timing, limits, snapshotEvery_entries, patience_ms };
  }

  sent(node: ConsensusNode, to: NodeId, bytes: Uint8Array): void {
    if (isGreeting(bytes)) return;
    const { to: identity, message } = decodeRaftMessage(bytes);
    this.checkers.sent(node, raftIdOf(to, identity), message);
    this.say(
      () => `${node.name} → ${to} ${JSON.stringify(message, (key, value: unknown) => brief(key, value))}`,
    );
  }

  arrives(from: NodeId, to: NodeId, bytes: Uint8Array): void {
    const [one, other] = [this.end(from)?.nature.index ?? 0, this.end(to)?.nature.index ?? 0];
    this.trace.add(this.now, 1, one * 16 + other, bytes.length);
    this.trace.addTail(bytes);
  }

  applied(node: ConsensusNode, entries: readonly CommittedEntry[]): void {
    for (const [i, entry] of entries.entries()) this.checkers.applied(node, entry, i === entries.length - 1);
  }

  stepped(node: ConsensusNode): void {
    const { log, machine } = node;
    this.checkers.stepped(node);
    if (log !== null && log.base.index > machine.settled)
      throw new RaftViolation(
        "compaction",
        `${node.name} dropped up to ${log.base.index}, durably applied is ${machine.settled}`,
      );
  }

  crashed(node: ConsensusNode): void {
    this.trace.add(this.now, 2, node.nature.index, node.files.lost);
    this.say(() => `${node.name} is gone`);
    this.links.gone(node.name);
    const back_ms = this.#back.get(node);
    this.#back.delete(node);
    if (back_ms !== undefined) this.at(this.now + back_ms, () => node.start());
  }

  /** When it crashes next. */
  comesBack(node: ConsensusNode, back_ms: number): void {
    this.#back.set(node, back_ms);
  }

  importing(node: ConsensusNode): void {
    this.#troubles.importing(node);
  }

  troubled(node: ConsensusNode, report: ConsensusReport): void {
    if (report.kind === "outdated") throw new RaftViolation("outdated", `${node.name}: ${report.detail}`);
    const { process } = node;
    if (report.kind !== "failed" || process === null) return;
    this.say(() => `${node.name}: ${report.detail}`);
    if (report.code === "disk_full") this.at(this.now + reopen_ms, () => node.reopen(process));
  }

  changed(): void {
    this.changes++;
  }

  transferred(): void {
    this.transfers++;
  }

  async run(): Promise<void> {
    const { faults_ms } = this.scenario;
    await this.#until(faults_ms);
    this.#heal();
    await this.#until(faults_ms + settle_ms);
    this.#clients.stop();
    await this.#serve();
    this.#compareRows();
    demandLinearizable(this.#clients.history);
  }

  dispose(): void {
    for (const { files } of this.nodes) files.dispose();
  }

  get answered(): number {
    return this.#clients.answered;
  }

  async #until(end: number): Promise<void> {
    for (let work = this.#agenda.next(end); work !== undefined; work = this.#agenda.next(end)) {
      if (this.events > eventsLimit) throw new RaftViolation("no-loop", "too many events");
      work();
      if (this.#isWoken) await this.#promises();
    }
  }

  /** All that was settled goes on. */
  async #promises(): Promise<void> {
    this.#isWoken = false;
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#broken !== null) throw this.#broken;
  }

  #heal(): void {
    this.say(() => "everything is healed");
    this.#troubles.end();
    this.#back.clear();
    this.links.heal();
    for (const node of this.nodes) {
      node.files.hang_ms = 0;
      node.crashIn = null;
      node.pausedUntil = Math.min(node.pausedUntil, this.now);
      // One whose log could not be written is started anew by its operator.
      if (
        node.files.failure?.code === "storage_failed" ||
        (node.raft?.status(node.local).stopped ?? null) !== null
      )
        node.crash();
      node.files.failure = null;
      node.start();
    }
  }

  /** Every member answers a read, and all have come to the same, within the bound. */
  async #serve(): Promise<void> {
    const end = this.now + service_ms;
    const served = new Set<RaftId>();
    const query = encodeControlQuery(controlQueries.hash, new Uint8Array());
    for (const node of this.nodes) {
      const read = (): void => {
        node.process?.ask(
          { kind: "read", query, consistency: "linearizable", timeout_ms: 500 },
          ({ kind }) => {
            if (kind === "read") served.add(node.id);
            else this.at(this.now + 20, read);
          },
        );
        if (node.process === null) this.at(this.now + 20, read);
      };
      read();
    }
    for (;;) {
      await this.#until(this.now + 50);
      const missing = this.nodes.every(({ isReady }) => isReady)
        ? this.checkers.notEqualYet(this.nodes, served)
        : new RaftViolation("service", "a node does not start after everything was healed");
      if (missing === null) return;
      if (this.now >= end) throw missing;
    }
  }

  /** What is in the tables is what their hashes say. */
  #compareRows(): void {
    for (const node of this.nodes) {
      const state = node.process?.data?.state ?? null;
      if (state === null) continue;
      for (const { name, rows, hash } of state.hash.sections) {
        if (name === "log") continue;
        const walk = encodeSectionWalk({ section: name, after: null, limit: walkLimit });
        const query = encodeControlQuery(controlQueries.sectionCheck, walk);
        const found = decodeSectionCheck(state.query(query));
        if (found.checked !== rows || found.hash !== hash || found.damaged.length > 0)
          throw new RaftViolation(
            "rows",
            `${node.name} has ${found.checked} rows in ${name}, not these ${rows}`,
          );
      }
    }
  }
}

function brief(key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return value.length;
  return key === "configuration" ? "…" : value;
}

/** `telling` keeps the story of the run, which costs time. */
export async function runConsensus(
  scenario: ConsensusScenario,
  telling = false,
): Promise<ConsensusRunResult> {
  const world = new ConsensusWorld(scenario, telling);
  let violation: ConsensusRunResult["violation"] = null;
  try {
    await world.run();
  } catch (thrown) {
    violation = violationOf(thrown, world.now);
  }
  const { committed, elections } = world.checkers;
  const { events, answered, changes, transfers, story, nodes } = world;
  const result = {
    seed: scenario.seed,
    violation,
    hash: world.trace.hash,
    events,
    committed,
    answered,
    elections,
    restarts: nodes.reduce((sum, { starts }) => sum + starts - 1, 0),
    changes,
    transfers,
    snapshots: nodes.reduce((sum, { imports }) => sum + imports, 0),
    lost: nodes.reduce((sum, { files }) => sum + files.lost, 0),
    story,
  };
  world.dispose();
  return result;
}
