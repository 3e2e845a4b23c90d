/**
 * Joins the Raft core with its log, the replicated state machine, the other nodes and the clock. Driven by what
 * completes: a frame, a timer, a request in; effects out. It has no rule of its own but the order of work:
 * all that came in one turn of the loop is one step and one transaction, and what may leave before that
 * transaction leaves before it. The simulator runs it as it is.
 */
import { unreachable } from "../../base/assert.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import { everyone, identityOf, nodeOf, type RaftId, raftIdOf, votersOf } from "../../raft/configuration.ts";
import type { RaftEffect, RaftInput } from "../../raft/effects.ts";
import { decodeRaftMessage } from "../../raft/message-codec.ts";
import type { Raft } from "../../raft/raft.ts";
import type { RaftStatus } from "../../raft/status.ts";
import type { PersistEffect } from "../../store/raft-log.ts";
import { WireError } from "../../wire/cursor.ts";
import { isLeaseFrame } from "../../wire/lease-frame.ts";
import { isGreeting } from "../../wire/raft-greeting.ts";
import { Alarm } from "./alarm.ts";
import { Commands } from "./commands.ts";
import { coreOf } from "./core.ts";
import { leaseOf } from "./lease.ts";
import { Desk } from "./desk.ts";
import type { ConsensusDriverOptions } from "./driver-options.ts";
import { Greetings } from "./greetings.ts";
import { Outgoing } from "./outgoing.ts";
import type { DriverRequest } from "./requests.ts";
import { Reporter } from "./reporter.ts";
import { isSnapshotEffect, Snapshots } from "./snapshots.ts";
import { ConsensusState } from "./state.ts";
import { LatestTimes } from "../latest-times.ts";
import type { LeaseHooks } from "../leases/driver.ts";

export class ConsensusDriver {
  /** To be looked at from outside, not to be stepped. */
  readonly core: Raft;
  readonly #state: ConsensusState;
  readonly #greetings: Greetings;
  readonly #snapshots: Snapshots;
  readonly #desk: Desk;
  readonly #commands: Commands;
  readonly #outgoing: Outgoing;
  readonly #alarm: Alarm;
  readonly #reporter: Reporter;
  readonly #lease: LeaseHooks | undefined;
  #inputs: RaftInput[] = [];
  /** What waits for its turn: a transaction of the log or the state among it, and what follows from that. */
  #held: readonly RaftEffect[] | null = null;
  #scheduled = false;
  #hasLeader = false;
  #closed = false;
  /** The log could not be written. */
  #failed = false;
  /** Another driver is to take its place. */
  #ended = false;
  #refusedFrames = 0;
  readonly #persisted = new LatestTimes();

  constructor(private readonly options: ConsensusDriverOptions) {
    const { log, state, clock } = options;
    this.core = coreOf(options);
    const input = (value: RaftInput): void => this.#input(value);
    this.#outgoing = new Outgoing({ self: log.boots.self, clock, transport: options.transport });
    this.#alarm = new Alarm(clock, () => input({ kind: "tick" }));
    this.#greetings = this.#makeGreetings();
    this.#lease = options.lease && leaseOf(options, options.lease, this.core, input);
    this.#state = new ConsensusState({
      state,
      clock,
      settleEvery_entries: options.snapshotEvery_entries,
      input: (value) => {
        input(value);
        if (value.kind === "applied") this.#lease?.applied();
      },
      applied: (position, outcome) => this.#desk.applied(position, outcome),
      // What ended it for good stays.
      trouble: (detail) => void (this.#failed || this.#reporter.trouble(detail)),
      damaged: (detail) => this.#damaged(`Its control state is damaged: ${detail}`),
    });
    this.#snapshots = new Snapshots({
      log,
      state,
      input,
      installed: (index) => {
        this.#desk.skipped(index);
        this.#state.replaced();
        this.#lease?.applied();
      },
    });
    this.#commands = new Commands({
      clock,
      core: () => ({ role: this.core.role, underWay: this.core.log.last.index - this.core.log.commit }),
      wake: () => this.#wake(),
      wakeAt: (due_ms) => this.#alarm.by(due_ms),
      state: this.#state,
      reject: (id, code, detail) => this.#desk.reject(id, code, detail),
      send: (to, message) => this.#outgoing.send(to, message),
    });
    this.#reporter = new Reporter({
      self: log.boots.self,
      clock,
      transport: options.transport,
      raft: () => this.#now(),
      bootOf: (node) => this.#greetings.bootOf(node),
      watched: () => state?.watched ?? 0,
      report: options.report,
    });
    this.#desk = this.#makeDesk(input);
    this.#input({ kind: "tick" });
    this.#refreshStatus();
    this.#reporter.start();
  }

  #makeGreetings(): Greetings {
    const { log, transport, heard } = this.options;
    return new Greetings({
      boots: log.boots,
      heard,
      registered: (node) => this.#state.registeredBoot(node),
      send: (node, bytes) => transport.send(node, "raft", bytes),
      greeted: () => {
        this.#keepLinks();
        this.#reporter.moved();
      },
      outdated: (detail) => this.#outdated(detail),
    });
  }

  #makeDesk(input: (input: RaftInput) => void): Desk {
    const { log, clock, soon, report } = this.options;
    return new Desk({
      self: log.boots.self,
      clock,
      soon,
      state: this.#state,
      raft: () => this.#now(),
      // A core that has stopped answers at once that it has.
      hasLeader: () => this.#hasLeader || this.#failed,
      leads: () => this.core.role === "leader",
      give: (id, data) => this.#commands.add({ kind: "propose", id, data }),
      input,
      answer: (answer) => report({ kind: "answer", answer }),
      counted: () => ({
        ...this.#reporter.counts,
        snapshotsSent: this.#snapshots.sent,
        snapshotsReceived: this.#snapshots.received,
        refusedFrames: this.#refusedFrames,
        logBytes: log.size_bytes,
        persist_ms: this.#persisted.values_ms,
      }),
    });
  }

  #now(): RaftStatus {
    return this.core.status(this.options.clock.now_ms());
  }

  /** A frame from an authenticated node. Malformed ones change nothing and are counted. */
  receive(from: NodeId, bytes: Uint8Array): void {
    if (this.#closed) return;
    try {
      if (this.#lease !== undefined && isLeaseFrame(bytes)) this.#lease.receive(from, bytes);
      else if (!isGreeting(bytes)) this.#message(from, bytes);
      else if (this.#failed) this.#greetings.receive(from, bytes, true);
      else this.#guarded(() => this.#greetings.receive(from, bytes, false));
    } catch (thrown) {
      if (!(thrown instanceof WireError)) throw thrown;
      this.#refusedFrames++;
    }
  }

  /** The link that this node sends on. */
  linkUp(node: NodeId): void {
    if (this.#closed) return;
    this.#greetings.greet(node);
    this.#lease?.linkUp(node);
    this.#reporter.tell();
  }

  linkDown(): void {
    if (!this.#closed) this.#reporter.tell();
  }

  /** A sign that this boot of a node is gone. */
  hint(node: NodeId, boot: number | null): void {
    for (const { id } of everyone(this.#now().configuration)) {
      if (nodeOf(id) === node && this.#greetings.isCurrent(id, boot)) this.#input({ kind: "hint", peer: id });
    }
  }

  roundTrip(roundTrip_ms: number): void {
    this.#input({ kind: "round-trip", roundTrip_ms });
  }

  ask(request: DriverRequest): void {
    this.#desk.ask(request);
  }

  /** The participants that have greeted, for a driver that takes this one's place. */
  get heard(): ReadonlyMap<RaftId, number> {
    return this.#greetings.heard;
  }

  /** Ends at once; the log stays open, for its opener to close. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#alarm.cancel();
    this.#outgoing.close();
    this.#lease?.close();
    this.#reporter.close();
    this.#desk.close();
    this.#snapshots.close();
    this.#state.close();
  }

  #message(from: NodeId, bytes: Uint8Array): void {
    const { from: identity, to, message } = decodeRaftMessage(bytes);
    const sender = raftIdOf(from, identity);
    if (to !== identityOf(this.options.log.boots.self) || !this.#greetings.has(sender)) {
      this.#refusedFrames++;
      return;
    }
    if (message.kind === "forward" || message.kind === "read-index") this.#outgoing.asks(sender);
    if (message.kind === "forward") this.#commands.add({ kind: "forward", from: sender, message });
    else this.#input({ kind: "message", from: sender, message });
  }

  #input(input: RaftInput): void {
    this.#inputs.push(input);
    this.#wake();
  }

  #wake(): void {
    if (this.#scheduled || this.#held !== null || this.#closed) return;
    this.#scheduled = true;
    this.options.soon(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    if (this.#held === null) this.#step();
    else this.#finish(this.#held);
  }

  #step(): void {
    const now_ms = this.options.clock.now_ms();
    const inputs = this.#inputs;
    this.#inputs = [];
    const effects = [...this.core.stepAll(inputs, now_ms)];
    if (this.#commands.isDue) effects.push(...this.core.stepAll(this.#commands.take(this.#now()), now_ms));
    this.#alarm.by(this.core.wake);
    const { sent } = this.#outgoing;
    const rest = this.#outgoing.sendFirst(effects, ({ after }) => after === 0);
    // What was sent just now leaves at the end of this turn: what blocks is done in the next.
    if (this.#outgoing.sent > sent && rest.some(blocks)) this.#hold(rest);
    else this.#finish(rest);
  }

  #hold(effects: readonly RaftEffect[]): void {
    this.#held = effects;
    this.#scheduled = true;
    this.options.soon(() => this.#turn());
  }

  #finish(held: readonly RaftEffect[]): void {
    this.#held = null;
    const persists = held.filter((effect): effect is PersistEffect => effect.kind === "persist");
    if (persists.length > 0 && !this.#persist(persists)) return;
    const rest = this.#outgoing.sendFirst(held, () => true).filter(({ kind }) => kind !== "persist");
    const answered = persists.length > 0 && rest.length + persists.length < held.length;
    // An answer that was promised is not to wait for the state machine.
    if (answered && rest.some(blocks)) {
      this.#hold(rest);
      return;
    }
    for (const effect of rest) this.#perform(effect);
    if (persists.length > 0 && !answered) this.#step();
    else if (this.#inputs.length > 0) this.#wake();
    else this.#commands.wake();
  }

  /** False: nothing that waited for it may happen, and nothing more is written: what the disk has is not known. */
  #persist(persists: readonly PersistEffect[]): boolean {
    const start_ms = this.options.clock.now_ms();
    this.#guarded(() => this.options.log.persist(persists));
    if (this.#failed) return false;
    this.#persisted.add(this.options.clock.now_ms() - start_ms);
    this.#reporter.moved();
    this.#inputs.unshift({ kind: "persisted", id: persists.at(-1)?.id ?? 0 });
    return true;
  }

  #perform(effect: RaftEffect): void {
    if (isSnapshotEffect(effect)) {
      this.#guarded(() => this.#snapshots.perform(effect));
      return;
    }
    switch (effect.kind) {
      case "send":
        return this.#outgoing.send(effect.to, effect.message);
      case "persist":
        return;
      case "apply":
        this.#reporter.moved();
        this.#state.apply(effect.entries);
        // What nodes act upon is not to wait for the next write.
        if (this.#reporter.applied()) this.#outgoing.flush();
        return;
      case "compact":
        this.#guarded(() => this.options.log.compact(effect.base, effect.configuration));
        return this.#tidy();
      case "read":
        // Those of the leases are numbered below zero.
        if (effect.id < 0) return this.#lease?.round(-effect.id, effect.result.kind === "ready");
        return this.#desk.take(effect);
      case "proposal":
      case "membership":
      case "transfer":
        return this.#desk.take(effect);
      case "status":
        return this.#refreshStatus();
      case "log-lost": {
        const { acknowledged, last } = effect;
        return this.#outdated(
          `Its Raft log ends at entry ${last}, and it had acknowledged entry ${acknowledged}`,
        );
      }
      default:
        return unreachable(effect);
    }
  }

  /** Who can have it from others does; the only voter goes on with what can be read, and says what is wrong. */
  #damaged(detail: string): void {
    const { self } = this.options.log.boots;
    if (votersOf(this.#now().configuration.members).some((id) => id !== self)) this.#outdated(detail);
    else this.#reporter.trouble(detail);
  }

  /** To be made anew, once. */
  #outdated(detail: string): void {
    if (!this.#ended) this.options.report({ kind: "outdated", detail });
    this.#ended = true;
  }

  #tidy(): void {
    this.options.soon(() => {
      if (!this.#closed && this.#guarded(() => this.options.log.tidy()) === true) this.#tidy();
    });
  }

  /** Whatever writes to the log beside the turn's own transaction: a failure ends this participant alike. */
  #guarded<T>(work: () => T): T | undefined {
    if (this.#failed) return undefined;
    try {
      return work();
    } catch (thrown) {
      if (thrown instanceof WireError) throw thrown;
      this.#storageFailed(thrown);
      return undefined;
    }
  }

  #storageFailed(thrown: unknown): void {
    this.#failed = true;
    this.#reporter.trouble(`its log cannot be written: ${reasonOf(thrown)}`);
    this.#input({ kind: "storage-failed", reason: reasonOf(thrown) });
    const code = thrown instanceof CaxtonError ? thrown.code : "internal";
    this.options.report({ kind: "failed", code, detail: reasonOf(thrown) });
  }

  /** Role, term, leader or members changed. */
  #refreshStatus(): void {
    const { role, leader, term } = this.#now();
    this.#hasLeader = leader !== null;
    this.#commands.status({ role, term });
    this.#lease?.status({ leader: leader === null ? null : nodeOf(leader), term, leads: role === "leader" });
    this.#keepLinks();
    this.#desk.retry();
    this.#reporter.tell();
  }

  #keepLinks(): void {
    const self = nodeOf(this.options.log.boots.self);
    const members = everyone(this.#now().configuration).map(({ id }) => nodeOf(id));
    const nodes = new Set([...members, ...this.#greetings.nodes]);
    nodes.delete(self);
    this.options.transport.keep([...nodes]);
  }
}

/** Whether it may take a while, in which nothing is heard or said. */
function blocks({ kind }: RaftEffect): boolean {
  return kind === "persist" || kind === "apply" || kind === "compact" || kind.startsWith("snapshot-");
}
