/**
 * One life of a node in a simulated consensus world: the real driver on the real log and control state, with ports
 * that end with it. What it does after its end has no effect.
 */
import { CaxtonError, isErrorCode } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import { type ConsensusData, openConsensusData } from "../../cluster/consensus/data.ts";
import { ConsensusDriver } from "../../cluster/consensus/driver.ts";
import type { ConsensusStatus } from "../../cluster/consensus/consensus.ts";
import type { ConsensusAnswer, ConsensusReport, DriverRequest } from "../../cluster/consensus/requests.ts";
import { ControlClient, type ControlLog } from "../../control/control-client.ts";
import { KvStore } from "../../control/kv-store.ts";
import { LockService } from "../../control/lock-service.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Databases } from "../../ports/database.ts";
import type { RaftId } from "../../raft/configuration.ts";
import type { RaftLimits } from "../../raft/options.ts";
import type { RaftTiming } from "../../raft/timing.ts";
import type { ConsensusNature } from "./scenario.ts";
import type { DiskUser } from "./disk.ts";
import type { WatchedState } from "./watched-state.ts";

/** Thrown where a process ends, to unwind it. */
export class ProcessEnded extends Error {}

export interface ProcessWorld {
  readonly now: number;
  at(time_ms: number, work: () => void): void;
  /** Promises were settled: they go on before the next event. */
  woken(): void;
}

export interface ProcessHost {
  readonly name: NodeId;
  readonly nature: ConsensusNature;
  readonly world: ProcessWorld;
  databases(user: DiskUser): Databases;
  /** In the process's next turn. */
  run(process: ConsensusProcess, work: () => void): void;
  /** Before each thing that the process does: true when it ends here. */
  endsHere(): boolean;
  sends(process: ConsensusProcess, to: NodeId, bytes: Uint8Array): void;
  wants(nodes: readonly NodeId[]): void;
  reaches(node: NodeId): boolean;
  /** The log cannot be written, or holds what it must not. */
  troubled(process: ConsensusProcess, report: ConsensusReport): void;
  watched(data: ConsensusData): WatchedState;
}

export interface ProcessOptions {
  readonly boot: number;
  readonly seed: number;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  readonly snapshotEvery_entries: number;
  readonly patience_ms: number;
}

export const logPath = "raft.db";
const statePath = "control.db";

type Distributed<T> = T extends unknown ? Omit<T, "request"> : never;
export type Question = Distributed<DriverRequest>;

export class ConsensusProcess implements DiskUser, Clock {
  ended = false;
  /** How long this turn has waited for its disk so far. */
  waited_ms = 0;
  driver: ConsensusDriver | null = null;
  data: ConsensusData | null = null;
  status: ConsensusStatus | null = null;
  readonly kv: KvStore;
  readonly locks: LockService;
  readonly #questions = new Map<number, (answer: ConsensusAnswer) => void>();
  readonly #mourners = new Set<() => void>();
  #last = 0;

  constructor(
    private readonly host: ProcessHost,
    private readonly options: ProcessOptions,
  ) {
    const client = new ControlClient(this.#log(), this, () => options.patience_ms);
    this.kv = new KvStore(client);
    this.locks = new LockService(client, this);
  }

  /** Opens what is on the disk and begins. Also after a full disk, in the same process. */
  open(): void {
    const { host, options } = this;
    const { name, nature } = host;
    const heard = this.driver?.heard ?? new Map<RaftId, number>();
    this.driver?.close();
    this.data?.close();
    this.driver = null;
    const data = openConsensusData({
      databases: host.databases(this),
      node: name,
      boot: options.boot,
      logPath,
      statePath,
      witness: false,
      found: false,
      setAside: () => {
        throw new Error(`${name} sets its log aside, and nothing had damaged it`);
      },
    });
    this.data = data;
    this.driver = new ConsensusDriver({
      log: data.log,
      state: host.watched(data),
      clock: this,
      soon: (callback) => host.run(this, callback),
      transport: {
        send: (to, _purpose, bytes) => {
          this.mayCrash();
          host.sends(this, to, bytes);
        },
        keep: (nodes) => host.wants(nodes),
        isUp: (node) => host.reaches(node),
      },
      report: (report) => this.#report(report),
      timing: options.timing,
      limits: options.limits,
      snapshotEvery_entries: options.snapshotEvery_entries,
      seed: options.seed + nature.index,
      heard,
    });
  }

  now_ms(): number {
    const { nature, world } = this.host;
    return nature.clockOffset_ms + (world.now + this.waited_ms) * nature.clockRate;
  }

  wall_ms(): number {
    return Math.floor(this.now_ms());
  }

  after(delay_ms: number, callback: () => void): Timer {
    const { nature, world } = this.host;
    let cancelled = false;
    world.at(world.now + this.waited_ms + delay_ms / nature.clockRate, () => {
      if (cancelled || this.ended) return;
      this.host.run(this, () => void (cancelled || callback()));
    });
    return {
      cancel: () => {
        cancelled = true;
      },
    };
  }

  takes(duration_ms: number): void {
    this.waited_ms += duration_ms;
  }

  mayCrash(): void {
    if (!this.ended && this.host.endsHere()) this.end();
    if (this.ended) throw new ProcessEnded();
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    for (const mourner of this.#mourners) mourner();
    this.#mourners.clear();
  }

  /** Calls back when the process ends, unless taken back. */
  onEnd(callback: () => void): () => void {
    this.#mourners.add(callback);
    return () => void this.#mourners.delete(callback);
  }

  ask(question: Question, answered: (answer: ConsensusAnswer) => void): void {
    const request = ++this.#last;
    this.#questions.set(request, answered);
    this.host.run(this, () => this.driver?.ask({ ...question, request }));
  }

  #log(): ControlLog {
    const asked = async (question: Question): Promise<ConsensusAnswer> => {
      const answer = await new Promise<ConsensusAnswer>((resolve) => this.ask(question, resolve));
      if (answer.kind !== "failed") return answer;
      throw new CaxtonError(isErrorCode(answer.code) ? answer.code : "internal", answer.detail);
    };
    return {
      propose: async (command, { timeout_ms }) => {
        const answer = await asked({ kind: "propose", command, timeout_ms });
        if (answer.kind === "committed") return answer;
        throw new Error(`A proposal was answered with ${answer.kind}`);
      },
      read: async (query, { consistency, timeout_ms }) => {
        const answer = await asked({ kind: "read", query, consistency, timeout_ms });
        if (answer.kind === "read") return answer;
        throw new Error(`A read was answered with ${answer.kind}`);
      },
    };
  }

  #report(report: ConsensusReport): void {
    if (this.ended) return;
    this.mayCrash();
    if (report.kind === "status") this.status = report.status;
    else if (report.kind !== "answer") this.host.troubled(this, report);
    else {
      const { answer } = report;
      const { world } = this.host;
      world.at(world.now + this.waited_ms, () => {
        if (this.ended) return;
        const answered = this.#questions.get(answer.request);
        this.#questions.delete(answer.request);
        world.woken();
        answered?.(answer);
      });
    }
  }
}
