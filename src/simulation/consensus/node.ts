/**
 * A machine of a simulated consensus world: its disk, its clock, and one process at a time. Its thread does one thing
 * after the other: what comes while it waits for its disk, or is paused, is done afterwards, in order.
 */
import type { NodeId } from "../../base/ids.ts";
import type { Prng } from "../../base/prng.ts";
import type { ConsensusData } from "../../cluster/consensus/data.ts";
import type { ConsensusReport } from "../../cluster/consensus/requests.ts";
import type { CommittedEntry, ReplicatedState } from "../../control/replicated-state.ts";
import type { Databases } from "../../ports/database.ts";
import { defaultMember, type Member, type RaftId, raftIdOf } from "../../raft/configuration.ts";
import type { LogPosition } from "../../raft/entry.ts";
import { foundingRecords } from "../../raft/options.ts";
import type { Raft } from "../../raft/raft.ts";
import { openRaftLog, type RaftLog } from "../../store/raft-log.ts";
import { CaxtonError } from "../../base/errors.ts";
import { ConsensusDisk, type DiskUser } from "./disk.ts";
import type { ConsensusLinks, LinkEnd } from "./links.ts";
import { ConsensusProcess, logPath, ProcessEnded, type ProcessHost, type ProcessOptions } from "./process.ts";
import type { ConsensusNature } from "./scenario.ts";
import { WatchedState } from "./watched-state.ts";
import type { CheckedParticipant } from "../raft/checkers.ts";

export interface ConsensusNodeWorld {
  readonly now: number;
  readonly links: ConsensusLinks;
  at(time_ms: number, work: () => void): void;
  woken(): void;
  optionsOf(node: ConsensusNode): ProcessOptions;
  sent(node: ConsensusNode, to: NodeId, bytes: Uint8Array): void;
  applied(node: ConsensusNode, entries: readonly CommittedEntry[]): void;
  /** After a turn in which it lived. */
  stepped(node: ConsensusNode): void;
  /** Its process ended; the disk has what it has. */
  crashed(node: ConsensusNode): void;
  importing(node: ConsensusNode): void;
  troubled(node: ConsensusNode, report: ConsensusReport): void;
}

/** The boot epoch of the first life: each next one is higher. */
const firstBoot = 1_000;
/** A launcher waits so long before it tries again to open a log that it could not. */
const reopen_ms = 60;

/** Before anything runs. */
const founder: DiskUser = { mayCrash: () => undefined, takes: () => undefined };

export class ConsensusNode implements ProcessHost, LinkEnd, CheckedParticipant {
  readonly files: ConsensusDisk;
  readonly id: RaftId;
  process: ConsensusProcess | null = null;
  boot = firstBoot;
  starts = 0;
  /** Snapshots that it began to take in. */
  imports = 0;
  pausedUntil = -Infinity;
  /** Of the things that the process does, the one at which it ends; null not soon. */
  crashIn: number | null = null;
  wanted: ReadonlySet<NodeId> = new Set();
  /** What it last had open: what its disk has, as far as others may rely on it. */
  #log: RaftLog | null = null;
  #state: ReplicatedState | null = null;
  #inbox: { readonly process: ConsensusProcess; readonly work: () => void }[] = [];
  #turnDue = false;
  #busyUntil = -Infinity;

  constructor(
    readonly name: NodeId,
    private readonly site: ConsensusNodeWorld,
    readonly nature: ConsensusNature & CheckedParticipant["nature"],
    private readonly prng: Prng,
  ) {
    this.files = new ConsensusDisk(nature.disk);
    this.id = raftIdOf(name, firstBoot);
  }

  get world(): ConsensusNodeWorld {
    return this.site;
  }

  get isUp(): boolean {
    return this.process !== null;
  }

  /** It has a process, which has opened its log. */
  get isReady(): boolean {
    return this.raft !== null;
  }

  get raft(): Raft | null {
    return this.process?.driver?.core ?? null;
  }

  get local(): number {
    return this.nature.clockOffset_ms + this.site.now * this.nature.clockRate;
  }

  get disk(): CheckedParticipant["disk"] {
    const log = this.#log;
    if (log === null) throw new Error(`${this.name} has no log yet`);
    return {
      hardState: log.hardState,
      last: log.last,
      has: ({ index, term }: LogPosition) =>
        index <= log.base.index || (index <= log.last.index && log.term(index) === term),
    };
  }

  get log(): RaftLog | null {
    return this.#log;
  }

  get machine(): CheckedParticipant["machine"] {
    const state = this.#state;
    if (state === null) throw new Error(`${this.name} has no state yet`);
    return {
      get position() {
        return state.applied;
      },
      get settled() {
        return state.settled;
      },
      get hash() {
        return state.hash.root;
      },
    };
  }

  /** Begins as a member of the first configuration. */
  found(members: readonly NodeId[]): void {
    const log = openRaftLog(this.files.databases(founder), logPath, {
      node: this.name,
      boot: firstBoot,
    });
    const founders = members.map((name): Member => defaultMember(raftIdOf(name, firstBoot), "voter"));
    log.persist([
      { ...foundingRecords({ members: founders, outgoing: null }), reset: null, truncateFrom: null },
    ]);
    log.close();
  }

  start(): void {
    if (this.process !== null) return;
    if (this.starts++ > 0) this.boot++;
    const process = new ConsensusProcess(this, this.site.optionsOf(this));
    this.process = process;
    this.wanted = new Set();
    this.run(process, () => process.open());
  }

  /** In the same process: after a disk that was full. */
  reopen(process: ConsensusProcess): void {
    if (this.process !== process) return;
    this.wanted = new Set();
    this.run(process, () => {
      process.open();
      for (const node of this.site.links.upFrom(this.name)) process.driver?.linkUp(node);
    });
  }

  crash(): void {
    const { process } = this;
    if (process === null) return;
    process.end();
    this.#bury(process);
  }

  run(process: ConsensusProcess, work: () => void): void {
    if (process.ended) return;
    this.#inbox.push({ process, work });
    this.#schedule();
  }

  databases(user: DiskUser): Databases {
    return this.files.databases(user);
  }

  endsHere(): boolean {
    if (this.crashIn === null || --this.crashIn > 0) return false;
    this.crashIn = null;
    return true;
  }

  sends(process: ConsensusProcess, to: NodeId, bytes: Uint8Array): void {
    this.site.sent(this, to, bytes);
    this.site.links.send(this.name, to, bytes.slice(), this.site.now + process.waited_ms);
  }

  wants(nodes: readonly NodeId[]): void {
    this.wanted = new Set(nodes);
    this.site.links.keep(this);
  }

  reaches(node: NodeId): boolean {
    return this.site.links.isUp(this.name, node);
  }

  troubled(_process: ConsensusProcess, report: ConsensusReport): void {
    this.site.troubled(this, report);
  }

  watched(data: ConsensusData): WatchedState {
    if (data.state === null) throw new Error("a simulated node has a state");
    const watched = new WatchedState(data.state, {
      applied: (entries) => this.site.applied(this, entries),
      imports: () => {
        this.imports++;
        this.site.importing(this);
      },
    });
    this.#log = data.log;
    this.#state = watched;
    return watched;
  }

  linkUp(node: NodeId): void {
    this.#driven((driver) => driver.linkUp(node));
  }

  linkDown(node: NodeId, isHint: boolean): void {
    this.#driven((driver) => {
      driver.linkDown();
      if (isHint) driver.hint(node, null);
    });
  }

  receive(from: NodeId, bytes: Uint8Array): void {
    this.#driven((driver) => driver.receive(from, bytes));
  }

  #driven(work: (driver: NonNullable<ConsensusProcess["driver"]>) => void): void {
    const { process } = this;
    if (process === null) return;
    this.run(process, () => {
      if (process.driver !== null) work(process.driver);
    });
  }

  #schedule(): void {
    if (this.#turnDue || this.#inbox.length === 0) return;
    this.#turnDue = true;
    const due = Math.max(this.site.now, this.#busyUntil, this.pausedUntil);
    this.site.at(due, () => this.#turn());
  }

  #turn(): void {
    this.#turnDue = false;
    const { now } = this.site;
    if (now < this.#busyUntil || now < this.pausedUntil) {
      this.#schedule();
      return;
    }
    const next = this.#inbox.shift();
    if (next === undefined) return;
    const { process, work } = next;
    if (!process.ended) this.#do(process, work);
    this.#schedule();
  }

  #do(process: ConsensusProcess, work: () => void): void {
    process.waited_ms = 0;
    try {
      work();
    } catch (thrown) {
      if (!process.ended) {
        if (thrown instanceof ProcessEnded || !(thrown instanceof CaxtonError)) throw thrown;
        // The log could not be opened: the launcher tries again.
        process.end();
        this.site.at(this.site.now + reopen_ms, () => this.start());
      }
    }
    this.#busyUntil = this.site.now + process.waited_ms;
    if (process.ended) this.#bury(process);
    else if (process.driver !== null) this.site.stepped(this);
  }

  #bury(process: ConsensusProcess): void {
    if (this.process !== process) return;
    this.process = null;
    this.wanted = new Set();
    this.#inbox = [];
    this.#busyUntil = -Infinity;
    this.files.crash(this.prng);
    this.site.crashed(this);
  }
}
