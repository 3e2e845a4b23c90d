/**
 * One simulated participant: the real core, and around it what a driver does, on a simulated disk and state machine. It
 * may crash between any two effects, pause, and keep its own time. What it sees and does is told to an observer.
 */
import type { Configuration, Member, RaftId } from "../../raft/configuration.ts";
import type { MembershipResult, RaftEffect, RaftInput, TransferResult } from "../../raft/effects.ts";
import type { Entry, LogPosition } from "../../raft/entry.ts";
import type { RaftMessage, SnapshotMark } from "../../raft/messages.ts";
import type { RaftOptions } from "../../raft/options.ts";
import { Raft } from "../../raft/raft.ts";
import { type DiskWrite, RaftDisk } from "./disk.ts";
import { isSound, RaftMachine } from "./machine.ts";
import type { Prng } from "../../base/prng.ts";

/** `lost`: certainly not applied, now or later. `unknown`: nobody can say. */
export type WriteAnswer =
  | { readonly kind: "applied"; readonly outcome: number }
  | { readonly kind: "lost" | "unknown" };

export type ReadAnswer = { readonly kind: "value"; readonly value: number } | { readonly kind: "refused" };

export interface RaftNodeWorld {
  readonly now: number;
  at(time_ms: number, work: () => void): void;
  send(from: RaftNode, to: RaftId, message: RaftMessage): void;
  /** Before an effect is performed; true when the node shall crash instead. */
  effect(node: RaftNode, effect: RaftEffect): boolean;
  applied(node: RaftNode, entry: Entry): void;
  /** After a turn. */
  stepped(node: RaftNode): void;
  membership(node: RaftNode, id: number, result: MembershipResult): void;
  transfer(node: RaftNode, id: number, result: TransferResult): void;
}

/** How a participant and its machine behave; fixed for a run. */
export interface RaftNodeNature {
  readonly options: Omit<RaftOptions, "seed">;
  readonly clockRate: number;
  readonly clockOffset_ms: number;
  readonly disk_ms: number;
  /** The thread waits for its disk, as the real one does. */
  readonly blocking: boolean;
  /** Of a hundred batches applied, after how many everything is made durable. */
  readonly settleShare: number;
}

/** Above what the sum of a clock loses to rounding. */
const rounding_ms = 0.001;

interface Held {
  readonly to: RaftId;
  readonly message: RaftMessage;
  readonly after: number;
}

interface Awaited {
  readonly term: number;
  readonly answer: (answer: WriteAnswer) => void;
}

export class RaftNode {
  readonly disk = new RaftDisk();
  machine = new RaftMachine();
  raft: Raft | null = null;
  /** Starts so far. */
  starts = 0;
  pausedUntil = -Infinity;
  #inbox: RaftInput[] = [];
  #turnDue = false;
  #tickAt = Infinity;
  #persisted = 0;
  #held: Held[] = [];
  #requests = 0;
  #writes = new Map<number, (answer: WriteAnswer) => void>();
  #reads = new Map<number, { readonly key: string; readonly answer: (answer: ReadAnswer) => void }>();
  #awaited = new Map<number, Awaited>();
  #outcomes = new Map<number, { readonly term: number; readonly outcome: number }>();
  #exports = new Map<number, readonly Uint8Array[]>();
  #import: { readonly transfer: number; readonly chunks: Uint8Array[] } | null = null;

  constructor(
    readonly id: RaftId,
    readonly nature: RaftNodeNature,
    private readonly world: RaftNodeWorld,
    private readonly prng: Prng,
  ) {}

  get local(): number {
    return this.nature.clockOffset_ms + this.world.now * this.nature.clockRate;
  }

  start(): void {
    this.starts++;
    this.#finishInstall();
    const { options } = this.nature;
    const applied = options.witness ? this.disk.base.index : this.machine.position.index;
    const seed = this.prng.u32();
    this.raft = new Raft({ ...options, seed }, this.disk.stored(applied), this.disk, this.local);
    this.input({ kind: "tick" });
  }

  /** Loses everything but what the disk has, and a random beginning of what it was writing. */
  crash(): void {
    if (this.raft === null) return;
    this.raft = null;
    this.#inbox = [];
    this.#held = [];
    this.#persisted = 0;
    this.#tickAt = Infinity;
    this.pausedUntil = -Infinity;
    this.disk.crash(this.prng.below(this.disk.writes.length + 1));
    this.machine.crash(this.prng.below(this.machine.unsettled + 1));
    this.#exports.clear();
    this.#import = null;
    const unanswered = [...this.#writes.values(), ...[...this.#awaited.values()].map(({ answer }) => answer)];
    const reads = [...this.#reads.values()];
    this.#writes.clear();
    this.#awaited.clear();
    this.#outcomes.clear();
    this.#reads.clear();
    for (const answer of unanswered) answer({ kind: "unknown" });
    for (const { answer } of reads) answer({ kind: "refused" });
  }

  propose(data: Uint8Array, answer: (answer: WriteAnswer) => void): void {
    const id = ++this.#requests;
    this.#writes.set(id, answer);
    this.input({ kind: "propose", id, data });
  }

  read(key: string, answer: (answer: ReadAnswer) => void): void {
    const id = ++this.#requests;
    this.#reads.set(id, { key, answer });
    this.input({ kind: "read", id });
  }

  changeMembers(members: readonly Member[]): number {
    const id = ++this.#requests;
    this.input({ kind: "change-membership", id, members });
    return id;
  }

  input(input: RaftInput): void {
    if (this.raft === null) return;
    this.#inbox.push(input);
    this.#schedule(this.world.now);
  }

  #schedule(at: number): void {
    if (this.#turnDue) return;
    this.#turnDue = true;
    const starts = this.starts;
    this.world.at(Math.max(at, this.pausedUntil), () => {
      this.#turnDue = false;
      if (this.starts === starts && this.raft !== null) this.#turn();
      else if (this.#inbox.length > 0) this.#schedule(this.world.now);
    });
  }

  #turn(): void {
    const { raft } = this;
    if (raft === null) return;
    if (this.pausedUntil > this.world.now) {
      this.#schedule(this.pausedUntil);
      return;
    }
    if (this.nature.blocking && this.disk.writes.length > 0) {
      // Only the disk's own answer gets through; the rest waits in its queue.
      const answers = this.#inbox.filter(({ kind }) => kind === "persisted" || kind === "storage-failed");
      if (answers.length === 0) return;
    }
    const inputs = this.#inbox;
    this.#inbox = [];
    for (const effect of raft.stepAll(inputs, this.local)) {
      if (this.world.effect(this, effect)) {
        this.crash();
        return;
      }
      this.#perform(effect);
      if (this.raft !== raft) return;
    }
    this.#arm(raft);
    this.world.stepped(this);
  }

  #arm(raft: Raft): void {
    if (raft.wake === Infinity) return;
    const wake = (raft.wake - this.nature.clockOffset_ms) / this.nature.clockRate + rounding_ms;
    const at = Math.max(wake, this.world.now);
    if (at >= this.#tickAt && this.#tickAt > this.world.now) return;
    this.#tickAt = at;
    const starts = this.starts;
    this.world.at(at, () => {
      if (this.starts !== starts || this.raft === null || this.#tickAt !== at) return;
      this.#tickAt = Infinity;
      if (this.raft.wake <= this.local) this.input({ kind: "tick" });
      else this.#arm(this.raft);
    });
  }

  #perform(effect: RaftEffect): void {
    switch (effect.kind) {
      case "send":
        if (effect.after <= this.#persisted) this.world.send(this, effect.to, effect.message);
        else this.#held.push(effect);
        return;
      case "persist":
        this.#write(
          () => this.disk.persist(effect),
          () => this.#persistDone(effect.id),
        );
        return;
      case "compact":
        this.#write(
          () => this.disk.compact(effect.base, effect.configuration),
          () => {},
        );
        return;
      case "apply":
        this.#apply(effect.entries);
        return;
      case "proposal":
        this.#proposed(effect);
        return;
      case "read": {
        const read = this.#reads.get(effect.id);
        this.#reads.delete(effect.id);
        const ready = effect.result.kind === "ready";
        read?.answer(ready ? { kind: "value", value: this.machine.value(read.key) } : { kind: "refused" });
        return;
      }
      case "membership":
        this.world.membership(this, effect.id, effect.result);
        return;
      case "transfer":
        this.world.transfer(this, effect.id, effect.result);
        return;
      case "status":
      case "log-lost":
        return;
      case "snapshot-open": {
        this.#exports.set(effect.transfer, this.machine.export());
        const { transfer } = effect;
        this.input({ kind: "snapshot-opened", transfer, position: this.machine.position });
        return;
      }
      case "snapshot-read": {
        const chunks = this.#exports.get(effect.transfer) ?? [];
        const { transfer, chunk } = effect;
        const bytes = chunks[chunk];
        if (bytes === undefined) this.input({ kind: "snapshot-failed", transfer, reason: "no such chunk" });
        else
          this.input({ kind: "snapshot-chunk", transfer, chunk, bytes, final: chunk === chunks.length - 1 });
        return;
      }
      case "snapshot-close":
        this.#exports.delete(effect.transfer);
        return;
      case "snapshot-take":
        this.#take(effect.mark, effect.chunk, effect.bytes);
        return;
      case "snapshot-abandon":
        this.#import = null;
        return;
      case "snapshot-install":
        this.#install(effect.mark);
    }
  }

  #write(change: () => void, done: () => void): void {
    const { disk, world } = this;
    const write: DiskWrite = { change, done };
    disk.writes.push(write);
    if (disk.writes.length === 1) world.at(world.now + this.#writeTime_ms(), () => this.#writeDone(write));
  }

  #writeTime_ms(): number {
    return this.nature.disk_ms * (0.5 + this.prng.float());
  }

  #writeDone(write: DiskWrite): void {
    const { disk, world } = this;
    if (disk.writes[0] !== write) return;
    if (disk.hungUntil > world.now) {
      world.at(disk.hungUntil, () => this.#writeDone(write));
      return;
    }
    if (disk.failing) {
      disk.writes.length = 0;
      this.input({ kind: "storage-failed", reason: "the disk failed" });
      return;
    }
    disk.writes.shift();
    write.change();
    const next = disk.writes[0];
    if (next !== undefined) world.at(world.now + this.#writeTime_ms(), () => this.#writeDone(next));
    write.done();
    if (this.nature.blocking && next === undefined && this.#inbox.length > 0) this.#schedule(world.now);
  }

  #persistDone(id: number): void {
    this.#persisted = id;
    const ready = this.#held.filter(({ after }) => after <= id);
    this.#held = this.#held.filter(({ after }) => after > id);
    for (const { to, message } of ready) this.world.send(this, to, message);
    this.input({ kind: "persisted", id });
  }

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const outcome = this.machine.apply(entry);
      this.world.applied(this, entry);
      const { index, term } = entry;
      this.#outcomes.set(index, { term, outcome });
      this.#outcomes.delete(index - 1_000);
      const awaited = this.#awaited.get(index);
      this.#awaited.delete(index);
      awaited?.answer(awaited.term === term ? { kind: "applied", outcome } : { kind: "lost" });
    }
    if (this.prng.float() < this.nature.settleShare)
      this.input({ kind: "settled", index: this.machine.settle() });
    this.input({ kind: "applied", index: this.machine.position.index });
  }

  #proposed({ id, result }: Extract<RaftEffect, { readonly kind: "proposal" }>): void {
    const answer = this.#writes.get(id);
    this.#writes.delete(id);
    if (answer === undefined) return;
    if (result.kind === "refused" || result.kind === "rejected") answer({ kind: "lost" });
    else if (result.kind === "unknown") answer({ kind: "unknown" });
    else this.#await(result.position, answer);
  }

  #await({ index, term }: LogPosition, answer: (answer: WriteAnswer) => void): void {
    const known = this.#outcomes.get(index);
    if (known !== undefined)
      answer(known.term === term ? { kind: "applied", outcome: known.outcome } : { kind: "lost" });
    else if (index <= this.machine.position.index || this.#awaited.has(index)) answer({ kind: "unknown" });
    else this.#awaited.set(index, { term, answer });
  }

  #take(mark: SnapshotMark, chunk: number, bytes: Uint8Array): void {
    if (chunk === 0 || this.#import?.transfer !== mark.transfer)
      this.#import = { transfer: mark.transfer, chunks: [] };
    const { chunks } = this.#import;
    if (chunk === chunks.length && isSound(bytes)) chunks.push(bytes);
    this.input({ kind: "snapshot-taken", mark, wanted: chunks.length });
  }

  /** In three steps, each of which a crash may follow: note it, replace the state machine, replace the log. */
  #install(mark: SnapshotMark): void {
    const chunks = this.#import?.chunks ?? [];
    this.#import = null;
    const finish = (installed: boolean): void => this.input({ kind: "snapshot-installed", mark, installed });
    this.#write(
      () => (this.disk.installing = mark),
      () => {
        const installed = this.machine.import(chunks, mark.position);
        this.#write(
          () => {
            if (installed) this.disk.reset(mark.position, mark.configuration);
            this.disk.installing = null;
          },
          () => finish(installed),
        );
      },
    );
  }

  #finishInstall(): void {
    const { installing } = this.disk;
    if (installing === null) return;
    this.disk.installing = null;
    const { position, configuration } = installing;
    if (this.machine.position.index >= position.index && this.disk.base.index < position.index)
      this.disk.reset(position, configuration);
  }

  get configuration(): Configuration | null {
    return this.raft?.status(this.local).configuration ?? null;
  }
}
