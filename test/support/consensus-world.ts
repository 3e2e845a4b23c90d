/**
 * Consensus drivers of several nodes in one process: real core, log and control state on in-memory databases,
 * links with a delay, a clock that moves only when told. Nodes crash and come back, links are cut.
 */
import { parseNodeId, type NodeId } from "../../src/base/ids.ts";
import {
  type ConsensusData,
  openConsensusData,
  rebuildConsensusData,
} from "../../src/cluster/consensus/data.ts";
import { ConsensusDriver } from "../../src/cluster/consensus/driver.ts";
import type { ConsensusStatus, MemberChange } from "../../src/cluster/consensus/consensus.ts";
import type { ConsensusAnswer, DriverRequest } from "../../src/cluster/consensus/requests.ts";
import { VirtualClock } from "../../src/platform/memory/clock.ts";
import { memoryDatabases, type MemoryDatabases } from "../../src/platform/memory/database.ts";
import type { Databases } from "../../src/ports/database.ts";
import { identityOf } from "../../src/raft/configuration.ts";
import { defaultLimits, type RaftLimits } from "../../src/raft/options.ts";

const delay_ms = 0.2;
const turn_ms = 0.01;

type Distributed<T> = T extends unknown ? Omit<T, "request"> : never;

export class ConsensusWorldNode {
  readonly id: NodeId;
  readonly databases: MemoryDatabases = memoryDatabases();
  readonly #eras = new Map<string, number>();
  readonly answers = new Map<number, ConsensusAnswer>();
  status: ConsensusStatus | undefined;
  driver: ConsensusDriver | undefined;
  data: ConsensusData | undefined;
  outdated: string[] = [];
  kept: readonly NodeId[] = [];
  boot: number;
  #last = 0;

  constructor(
    readonly world: ConsensusWorld,
    name: string,
    boot: number,
  ) {
    this.id = parseNodeId(name);
    this.boot = boot;
  }

  start(found = false, rebuild?: string): void {
    const options = {
      databases: this.#files,
      node: this.id,
      boot: this.boot,
      logPath: "raft.db",
      statePath: "control.db",
      witness: false,
      found,
      setAside: (path: string) => void this.#eras.set(path, (this.#eras.get(path) ?? 0) + 1),
    };
    const data = rebuild === undefined ? openConsensusData(options) : rebuildConsensusData(options, rebuild);
    this.data = data;
    this.driver = new ConsensusDriver({
      log: data.log,
      state: data.state,
      clock: this.world.clock,
      soon: (callback) => void this.world.clock.after(turn_ms, callback),
      transport: {
        send: (to, _purpose, bytes) => this.world.carry(this, to, bytes),
        keep: (nodes) => {
          this.kept = nodes;
          this.world.link(this);
        },
        isUp: (node) => this.world.reaches(this, node),
      },
      report: (report) => {
        if (report.kind === "answer") this.answers.set(report.answer.request, report.answer);
        else if (report.kind === "status") this.status = report.status;
        else if (report.kind === "outdated") this.outdated.push(report.detail);
      },
      timing: { heartbeat_ms: 50, election_ms: 150 },
      limits: { ...defaultLimits, ...this.world.limits },
      snapshotEvery_entries: this.world.snapshotEvery_entries,
      seed: this.boot + this.id.length + this.id.charCodeAt(this.id.length - 1),
      heard: new Map(),
    });
    this.world.link(this);
  }

  /** A file that was set aside is another one from then on. */
  get #files(): Databases {
    const name = (path: string): string => `${path} ${this.#eras.get(path) ?? 0}`;
    return {
      exists: (path) => this.databases.exists(name(path)),
      open: (path, options) => this.databases.open(name(path), options),
      view: (path) => this.databases.view(name(path)),
    };
  }

  /** The process is gone; what was committed to its databases stays. */
  crash(): void {
    this.driver?.close();
    this.data?.close();
    this.driver = undefined;
    this.status = undefined;
    this.world.unlink(this);
    this.boot++;
  }

  get identity(): number {
    return this.data ? identityOf(this.data.log.boots.self) : 0;
  }

  ask(request: Distributed<DriverRequest>): number {
    const number = ++this.#last;
    this.driver?.ask({ ...request, request: number });
    return number;
  }

  /** The answer, with time passing until it is there. */
  async answer(request: Distributed<DriverRequest>): Promise<ConsensusAnswer> {
    const number = this.ask(request);
    this.world.until(() => this.answers.has(number), 60_000);
    return this.answers.get(number) as ConsensusAnswer;
  }
}

export class ConsensusWorld {
  readonly clock = new VirtualClock();
  readonly nodes = new Map<NodeId, ConsensusWorldNode>();
  readonly limits: Partial<RaftLimits>;
  readonly snapshotEvery_entries: number;
  readonly #up = new Set<string>();
  readonly #cuts = new Set<string>();
  #boot = 1_000;

  constructor(
    options: { readonly limits?: Partial<RaftLimits>; readonly snapshotEvery_entries?: number } = {},
  ) {
    this.limits = options.limits ?? {};
    this.snapshotEvery_entries = options.snapshotEvery_entries ?? 1_000;
  }

  node(name: string): ConsensusWorldNode {
    const node = new ConsensusWorldNode(this, name, (this.#boot += 100));
    this.nodes.set(node.id, node);
    return node;
  }

  /** A cluster of so many voters with a leader. */
  async cluster(count: number): Promise<ConsensusWorldNode[]> {
    const nodes = Array.from({ length: count }, (_, i) => this.node(`node-${i + 1}`));
    const [first] = nodes as [ConsensusWorldNode];
    first.start(true);
    for (const node of nodes.slice(1)) node.start();
    this.until(() => first.status?.ready === true);
    for (const node of nodes.slice(1)) await this.add(first, node);
    return nodes;
  }

  /** As the autopilot does it: a learner, and a voter once it has caught up. */
  async add(leader: ConsensusWorldNode, node: ConsensusWorldNode): Promise<void> {
    const change = async (changes: readonly MemberChange[]): Promise<void> => {
      const answer = await leader.answer({ kind: "membership", changes, timeout_ms: 10_000 });
      if (answer.kind !== "changed") throw new Error(JSON.stringify(answer));
    };
    await change([{ node: node.id, role: "learner", identity: node.identity }]);
    this.until(() => leader.status?.members.find((member) => member.node === node.id)?.caughtUp === true);
    await change([{ node: node.id, role: "voter" }]);
  }

  leader(): ConsensusWorldNode | undefined {
    return [...this.nodes.values()].find(({ status }) => status?.role === "leader");
  }

  until(condition: () => boolean, limit_ms = 30_000): void {
    if (!this.clock.runUntil(condition, limit_ms))
      throw new Error(`Not within ${limit_ms} ms: ${condition.toString()}`);
  }

  /** One way. */
  cut(from: ConsensusWorldNode, to: ConsensusWorldNode): void {
    this.#cuts.add(`${from.id} ${to.id}`);
  }

  heal(): void {
    this.#cuts.clear();
    for (const node of this.nodes.values()) this.link(node);
  }

  reaches(from: ConsensusWorldNode, to: NodeId): boolean {
    return this.#up.has(`${from.id} ${to}`);
  }

  /** Connects what wants to be and can be. */
  link(from: ConsensusWorldNode): void {
    for (const node of this.nodes.values()) {
      for (const [a, b] of [
        [from, node],
        [node, from],
      ] as const) {
        const name = `${a.id} ${b.id}`;
        if (a === b || !a.driver || !b.driver || !a.kept.includes(b.id) || this.#up.has(name)) continue;
        this.#up.add(name);
        this.clock.after(delay_ms, () => a.driver?.linkUp(b.id));
      }
    }
  }

  unlink(node: ConsensusWorldNode): void {
    for (const name of this.#up) {
      const [from, to] = name.split(" ");
      if (from !== node.id && to !== node.id) continue;
      this.#up.delete(name);
      const other = this.nodes.get((from === node.id ? to : from) as NodeId);
      other?.driver?.linkDown();
    }
  }

  /** Hears every frame as it is sent. */
  sent: (from: ConsensusWorldNode, to: NodeId, bytes: Uint8Array) => void = () => undefined;

  carry(from: ConsensusWorldNode, to: NodeId, bytes: Uint8Array): void {
    this.sent(from, to, bytes);
    const name = `${from.id} ${to}`;
    if (!this.#up.has(name)) return;
    const kept = bytes.slice();
    this.clock.after(delay_ms, () => {
      if (this.#up.has(name) && !this.#cuts.has(name)) this.nodes.get(to)?.driver?.receive(from.id, kept);
    });
  }
}
