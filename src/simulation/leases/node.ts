/**
 * One machine of a simulated world of leases: the real consensus driver, lease driver and main's view of leases, on a
 * clock that drifts, with a process that is stopped, suspended or killed. Around them as little as can be: which
 * agents run here, a main thread that gives the agents of silent nodes away, and threads that let effects out.
 */
import type { NodeId } from "../../base/ids.ts";
import type { Prng } from "../../base/prng.ts";
import { ConsensusDriver } from "../../cluster/consensus/driver.ts";
import { type ConsensusData, openConsensusData } from "../../cluster/consensus/data.ts";
import type { ConsensusStatus } from "../../cluster/consensus/consensus.ts";
import { LeaseGate, newLeaseCell } from "../../cluster/leases/cell.ts";
import { answerLease, LeaseDriver } from "../../cluster/leases/driver.ts";
import { type LeaseNews, NodeLeases } from "../../cluster/leases/node-lease.ts";
import type { LeaseTerms } from "../../ownership/owner-lease.ts";
import type { VirtualClock } from "../../platform/memory/clock.ts";
import { memoryDatabases } from "../../platform/memory/database.ts";
import type { Clock } from "../../ports/clock.ts";
import { identityOf } from "../../raft/configuration.ts";
import { defaultLimits } from "../../raft/options.ts";
import { Host } from "../host.ts";
import { encodeLeaseCommand, LeaseMachine } from "./machine.ts";

const turn_ms = 0.01;
const look_ms = 200;
const proposal_ms = 1_000;
const started_ms = 20;
/** Between main and the raft thread. */
const hop_ms = 0.1;
const hopSlow_ms = 40;
/** Main plans for as long as this before it proposes what it was permitted. */
const planning_ms = 600;
const neverCompacted = 1_000_000;

export interface LeaseNodeWorld {
  readonly clock: VirtualClock;
  readonly drift: number;
  /** Of each node's leases. */
  readonly terms_ms: ReadonlyMap<NodeId, number>;
  readonly nodes: readonly LeaseNode[];
  readonly owners: ReadonlyMap<string, NodeId>;
  carry(from: LeaseNode, to: NodeId, bytes: Uint8Array): void;
  isUp(from: LeaseNode, to: NodeId): boolean;
  link(): void;
  /** Somebody may be given the agents of that node's life, as its leader says. */
  permitted(leader: LeaseNode, node: NodeId, boot: number, term: number): void;
}

/** All that ends with the process. */
interface Life {
  readonly boot: number;
  readonly data: ConsensusData;
  readonly driver: ConsensusDriver;
  readonly leases: NodeLeases;
  /** An agent thread's. */
  readonly gate: LeaseGate;
  readonly runs: Set<string>;
  status: ConsensusStatus | undefined;
}

export class LeaseNode {
  readonly host: Host;
  readonly machine: LeaseMachine;
  readonly databases = memoryDatabases();
  life: Life | undefined;
  /** How long the machine slept: its monotonic clock stood still then. */
  slept_ms = 0;
  readonly counts = { tenures: 0, permissions: 0 };
  #boot: number;

  constructor(
    private readonly world: LeaseNodeWorld,
    readonly id: NodeId,
    private readonly prng: Prng,
    boot: number,
  ) {
    this.host = new Host(world.clock);
    this.machine = new LeaseMachine(world.owners, world.terms_ms);
    this.#boot = boot;
  }

  get identity(): number {
    return this.life === undefined ? 0 : identityOf(this.life.data.log.boots.self);
  }

  start(found = false): void {
    const { host, world, id } = this;
    const boot = ++this.#boot;
    const cell = newLeaseCell();
    const bootClock = { now_ms: () => host.now_ms() };
    const clock: Clock = {
      now_ms: () => host.now_ms() - this.slept_ms,
      wall_ms: () => host.wall_ms(),
      after: (delay_ms, callback) => host.after(delay_ms, callback),
    };
    const data = openConsensusData({
      databases: this.databases,
      node: id,
      boot,
      logPath: "raft.db",
      statePath: "control.db",
      witness: true,
      found,
      setAside: () => undefined,
    });
    const raft: { lease?: LeaseDriver } = {};
    const alive = (work: () => void) => (): void => {
      if (this.life?.boot === boot) work();
    };
    // Main and the raft thread talk by messages: each takes its time, in order.
    const hop = (work: () => void): void =>
      void host.after(this.prng.chance(0.05) ? hopSlow_ms : hop_ms, alive(work));
    const leases = new NodeLeases({
      cell,
      clock,
      bootClock,
      post: (ask) => hop(() => answerLease(raft.lease, ask, (tell) => hop(() => leases.told(tell)))),
      failed: () => undefined,
    });
    const driver = new ConsensusDriver({
      log: data.log,
      state: this.machine,
      clock,
      soon: (callback) => void host.after(turn_ms, alive(callback)),
      transport: {
        send: (to, _purpose, bytes) => world.carry(this, to, bytes),
        keep: () => world.link(),
        isUp: (to) => world.isUp(this, to),
      },
      report: (report) => {
        if (report.kind === "status" && this.life?.boot === boot) this.life.status = report.status;
      },
      heard: new Map(),
      timing: { heartbeat_ms: 50, election_ms: 300 },
      limits: defaultLimits,
      snapshotEvery_entries: neverCompacted,
      seed: boot,
      lease: (ground) => {
        const tell = (news: LeaseNews): void => hop(() => leases.told(news));
        const terms: LeaseTerms = { ttl_ms: world.terms_ms.get(id) ?? 0, drift: world.drift };
        raft.lease = new LeaseDriver({ boot, terms, clock, bootClock, cell, tell }, ground);
        return raft.lease;
      },
    });
    const gate = new LeaseGate(cell, bootClock);
    const runs = new Set([...this.machine.owners].flatMap(([agent, owner]) => (owner === id ? [agent] : [])));
    this.life = { boot, data, driver, leases, gate, runs, status: undefined };
    this.#main(this.life);
    world.link();
  }

  /** The process is gone; what it wrote stays. */
  crash(): void {
    const { life } = this;
    this.life = undefined;
    life?.driver.close();
    life?.leases.close();
    life?.data.close();
    this.host.clear();
  }

  /** Agents whose effects would get out this very moment. */
  acting(): readonly string[] {
    const { life } = this;
    return life !== undefined && life.gate.holds() ? [...life.runs] : [];
  }

  #main(life: Life): void {
    const { leases, gate, runs } = life;
    leases.beforeHeld(() => {
      for (const agent of runs) if (this.machine.owners.get(agent) !== this.id) runs.delete(agent);
      return Promise.resolve();
    });
    leases.subscribe((held) => {
      if (!held) return;
      this.counts.tenures++;
      const { tenure } = leases;
      this.host.after(0.1, () => void (this.life === life && gate.admit(tenure)));
    });
    this.machine.moved = (agent, to) => {
      this.host.after(to === this.id ? started_ms : look_ms, () => {
        if (this.life !== life) return;
        if (this.machine.owners.get(agent) === this.id) runs.add(agent);
        else runs.delete(agent);
      });
    };
    this.#look(life);
  }

  /** Main's look around, as the leader's would: registers lives, and gives away what may be given. */
  #look(life: Life): void {
    this.host.after(look_ms * (0.5 + this.prng.float()), () => {
      if (this.life !== life) return;
      this.#look(life);
      if (life.status?.role !== "leader" || !life.status.ready) return;
      for (const node of this.world.nodes) {
        const { boot } = node.life ?? { boot: 0 };
        const known = this.machine.boots.get(node.id) ?? 0;
        if (boot > known) this.#propose(life, encodeLeaseCommand({ kind: "node", id: node.id, boot }));
        else if (this.prng.chance(0.7)) void this.#giveAway(life, node.id, known);
      }
    });
  }

  async #giveAway(life: Life, node: NodeId, boot: number): Promise<void> {
    const granted = await life.leases.permission(node, boot).catch(() => null);
    if (granted === null || this.life !== life) return;
    this.counts.permissions++;
    this.world.permitted(this, node, boot, granted.term);
    this.host.after(this.prng.below(planning_ms), () => {
      if (this.life === life) this.#move(life, node, granted.term);
    });
  }

  #move(life: Life, node: NodeId, term: number): void {
    const others = this.world.nodes.filter(({ id }) => id !== node);
    for (const [agent, owner] of this.machine.owners) {
      if (owner !== node) continue;
      const to = others[this.prng.below(others.length)]?.id ?? this.id;
      this.#propose(life, encodeLeaseCommand({ kind: "move", agent, from: node, to, term }));
    }
    // Decided by then, one way or the other.
    this.host.after(2 * proposal_ms, () => void (this.life === life && life.leases.admit(node)));
  }

  #propose({ driver }: Life, command: Uint8Array): void {
    driver.ask({ kind: "propose", request: ++this.#request, timeout_ms: proposal_ms, command });
  }

  #request = 0;
}
