/**
 * One agent on its thread: its mail, state, timers and running instance, and what happens when it is
 * its turn. A durable agent's calls take effect in its own memory at once, and outside only when
 * their commit is on disk; a volatile one's at once. Lifecycle around it: agent-lifecycle.ts.
 */
import type { AgentName, MessageId } from "../../base/ids.ts";
import { present } from "../../base/assert.ts";
import { RingQueue } from "../../base/ring-queue.ts";
import { notUnderstood } from "../../fipa/reply.ts";
import { ConversationGuard } from "../../messaging/conversation-guard.ts";
import { latin1 } from "../../messaging/fast-ascii.ts";
import { Inbox, type Mail } from "../../messaging/inbox.ts";
import { traceOf } from "../../messaging/outgoing-message.ts";
import { RecentIds } from "../../messaging/recent-ids.ts";
import type { RecoveredAgent } from "../../store/store.ts";
import type { AgentTrap } from "../../wasm/trap.ts";
import type { AgentSpec, AgentStatus } from "../../wire/agent-spec.ts";
import type { JournalRecord } from "../../wire/journal-record.ts";
import {
  decodeMessage,
  encodeMessage,
  messageIdOf,
  priorities,
  replyByOf,
  writeUuid,
} from "../../wire/message.ts";
import { AgentCalls, type CallEffects } from "./agent-calls.ts";
import { AgentState } from "./agent-state.ts";
import { AgentTimers } from "./agent-timers.ts";
import type { AgentFace, Outgoing } from "./agent-face.ts";
import { asTrap } from "./as-trap.ts";
import { deadLetterEvent } from "./dead-letter-event.ts";
import type { AgentWorld } from "./agent-world.ts";
import type { Handler } from "./handler.ts";
import { RestartWindow } from "./restart-window.ts";

/** Ids that are remembered against redelivery (up to twice as many); the durable ones survive a restart. */
const recentDurable = 4_096;
const recentVolatile = 64;

/** Until the thread's generator writes one. */
const unset = "00000000-0000-0000-0000-000000000000" as MessageId;
const noEffects: CallEffects = { sends: [], state: [], timers: [] };
const noRecords: readonly JournalRecord[] = [];

export class HostedAgent implements AgentFace {
  scheduled = false;
  deficit = 0;
  era = 0;
  weight: number;
  readonly name: AgentName;
  readonly durable: boolean;
  readonly inbox: Inbox<Mail>;
  readonly state = new AgentState();
  readonly timers = new AgentTimers();
  readonly calls: AgentCalls;
  recent: RecentIds;
  uncommitted = 0;
  ready = false;
  suspended = false;
  /** Being replaced: nothing runs, mail is taken. */
  paused = false;
  leaving = false;
  closing = false;
  failure: string | undefined;
  handled = 0;
  traps = 0;
  restarts = 0;
  readonly returned: Uint8Array[] = [];
  readonly #world: AgentWorld;
  readonly #guard = new ConversationGuard();
  readonly #due = new RingQueue<number>();
  readonly #restartWindow = new RestartWindow();
  #handler: Handler | undefined;
  #saved: Uint8Array | undefined;
  #startWaiters: ((failure: string | undefined) => void)[] = [];

  constructor(
    world: AgentWorld,
    public spec: AgentSpec,
  ) {
    this.#world = world;
    this.name = spec.name;
    this.weight = priorities[spec.priority];
    this.durable = spec.durability !== "volatile";
    this.inbox = new Inbox({ messages: spec.limits.inbox_messages, bytes: spec.limits.inbox_bytes });
    this.recent = new RecentIds(this.durable ? recentDurable : recentVolatile);
    this.calls = new AgentCalls(world, this.name, this, this.#guard);
  }

  get runnable(): boolean {
    const rests = !this.ready || this.suspended || this.paused || this.leaving;
    if (rests || this.failure !== undefined) return false;
    return this.#handler === undefined || this.inbox.length > 0 || this.#due.length > 0;
  }

  get blocked(): boolean {
    // Not its start: its deployer waits for that, and what it does then is held back like all else.
    if (this.#world.parked && this.#handler !== undefined && !this.continues) return true;
    return this.durable && this.#world.commits.full;
  }

  get continues(): boolean {
    return this.#world.goesOn(this.spec);
  }

  get status(): AgentStatus {
    if (this.failure !== undefined) return "failed";
    if (this.suspended) return "suspended";
    return this.#handler === undefined || !this.ready ? "starting" : "running";
  }

  get memory_bytes(): number {
    return this.#handler?.memory_bytes ?? 0;
  }

  /** Begins with what the store had. */
  load(recovered: RecoveredAgent): void {
    this.state.recover(recovered.state);
    this.recent = new RecentIds(recentDurable);
    const raw = new Uint8Array(16);
    for (const id of recovered.handled) {
      writeUuid(raw, 0, id);
      this.recent.add(latin1(raw, 0, 16));
    }
    const arrived_ms = this.#world.clock.now_ms();
    for (const bytes of recovered.inbox) {
      this.recent.add(latin1(bytes, 8, 24));
      this.inbox.push({ bytes, arrived_ms });
    }
    for (const { id, due_ms } of recovered.timers) {
      this.timers.restore(id, due_ms);
      this.#world.setTimer(this, id, due_ms);
    }
    this.#saved = recovered.saved !== undefined && recovered.saved.length > 0 ? recovered.saved : undefined;
    if (recovered.handled.length > 0 || recovered.inbox.length > 0) this.#guard.forgive();
  }

  /** Forgets everything in memory: what the store has counts. */
  unload(): void {
    this.#handler?.close();
    this.#handler = undefined;
    this.inbox.takeAll();
    this.timers.clear();
    this.#due.clear();
    this.ready = false;
  }

  /** Resolves when the instance runs, with undefined; or with why it will not. */
  started(): Promise<string | undefined> {
    if (this.failure !== undefined) return Promise.resolve(this.failure);
    if (this.#handler !== undefined || this.suspended) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#startWaiters.push(resolve));
  }

  timerDue(id: number): void {
    this.timers.take(id);
    this.#due.push(id);
    this.#world.wake(this);
  }

  /** A failed agent tries again; its restarts are counted anew. */
  revive(): void {
    this.failure = undefined;
    this.#restartWindow.clear();
  }

  /** What `save` gives now; undefined when there is no instance or no `save`. Throws its trap. */
  save(): Uint8Array | undefined {
    if (this.#handler === undefined) return undefined;
    this.calls.begin(undefined);
    try {
      return this.#handler.save();
    } finally {
      this.calls.undo();
    }
  }

  /** Takes the new revision's code, with the old one's memory where both can. Throws a trap: then nothing changed. */
  replace(spec: AgentSpec): void {
    const saved = this.save();
    const old = this.#handler;
    const began_ms = this.#world.clock.now_ms();
    const { handler, effects } = this.#instantiate(spec, saved);
    this.spec = spec;
    this.weight = priorities[spec.priority];
    old?.close();
    this.#handler = handler;
    this.inbox.setLimits({ messages: spec.limits.inbox_messages, bytes: spec.limits.inbox_bytes });
    this.revive();
    if (old === undefined) this.#saved = undefined;
    this.#world.counters.startup(this.#world.clock.now_ms() - began_ms);
    this.#settle(null, effects, noRecords);
    this.#answerWaiters(undefined);
  }

  runOne(): number {
    if (this.#handler === undefined) return this.#start();
    const timer = this.#due.shift();
    if (timer !== undefined) return this.#runTimer(this.#handler, timer);
    return this.#runMail(this.#handler, present(this.inbox.shift(), "mail of a runnable agent"));
  }

  /** Ends a message of its inbox as a dead letter: durably with the acknowledgement, when it is durable. */
  endMail(message: Uint8Array, reason: string, detail: string): void {
    if (!this.durable) {
      this.#world.deadLetter(this, reason, detail, message);
      return;
    }
    const at_ms = this.#world.clock.wall_ms();
    const dead: JournalRecord = { kind: "dead", reason, detail, at_ms, message };
    this.#settle(message, noEffects, [dead]);
    this.#world.event(deadLetterEvent(this.name, reason, detail, at_ms, message));
  }

  #start(): number {
    const { clock, counters } = this.#world;
    const began_ms = clock.now_ms();
    const saved = this.#saved;
    this.#saved = undefined;
    try {
      const { handler, effects } = this.#instantiate(this.spec, saved);
      this.#handler = handler;
      counters.startup(clock.now_ms() - began_ms);
      // Loaded once: a later crash must not bring this memory back.
      const also: JournalRecord[] =
        saved === undefined ? [] : [{ kind: "saved", agent: this.name, state: new Uint8Array(0) }];
      this.#settle(null, effects, also);
      this.#status("running", "");
      this.#answerWaiters(undefined);
      return handler.fuelUsed;
    } catch (error) {
      this.#trapped(asTrap(error), "starting");
      return this.spec.limits.fuel / 100;
    }
  }

  #instantiate(spec: AgentSpec, saved: Uint8Array | undefined): { handler: Handler; effects: CallEffects } {
    this.calls.begin(undefined);
    let handler: Handler | undefined;
    try {
      handler = this.#world.handlers.create(spec, this.calls);
      handler.init();
      if (saved !== undefined && handler.loads) handler.load(saved);
      else if (saved !== undefined) {
        this.calls.note(
          "warn",
          `${saved.length} bytes of saved memory dropped: this revision exports no load`,
        );
      }
      return { handler, effects: this.calls.finish(this.durable) };
    } catch (error) {
      handler?.close();
      this.calls.undo();
      throw error;
    }
  }

  #runTimer(handler: Handler, id: number): number {
    this.calls.begin(undefined);
    try {
      handler.onTimer(id);
    } catch (error) {
      this.calls.undo();
      const fuel = handler.fuelUsed;
      // Gone off all the same: else it would trap at each restart again.
      this.#settle(null, { ...noEffects, timers: [{ id, due_ms: null }] }, noRecords);
      this.#trapped(asTrap(error), `in on_timer(${id})`);
      return fuel;
    }
    const effects = this.calls.finish(this.durable);
    const timers = effects.timers.some((timer) => timer.id === id)
      ? effects.timers
      : [{ id, due_ms: null }, ...effects.timers];
    this.#settle(null, { ...effects, timers }, noRecords);
    this.#world.counters.fuel += handler.fuelUsed;
    return handler.fuelUsed;
  }

  #runMail(handler: Handler, mail: Mail): number {
    const { bytes } = mail;
    const { clock, counters } = this.#world;
    if (bytes[39] !== 0 && replyByOf(bytes) < clock.wall_ms()) {
      this.endMail(bytes, "expired", "Its reply-by passed while it waited in the inbox");
      return 0;
    }
    this.calls.begin(traceOf(bytes));
    const misfit = this.calls.judge(bytes);
    if (misfit !== undefined) {
      this.#refuse(bytes, misfit);
      return 0;
    }
    try {
      handler.handle(bytes);
    } catch (error) {
      this.calls.undo();
      const trap = asTrap(error);
      this.endMail(bytes, `trap:${trap.kind}`, trap.detail);
      this.#trapped(trap, "handling a message");
      counters.fuel += handler.fuelUsed;
      return handler.fuelUsed;
    }
    const now_ms = clock.now_ms();
    counters.latency.record(now_ms - mail.arrived_ms);
    counters.handled++;
    counters.fuel += handler.fuelUsed;
    this.handled++;
    this.#settle(bytes, this.calls.finish(this.durable), noRecords, now_ms);
    return handler.fuelUsed;
  }

  /** Out of protocol: its sender is told, the agent never sees it. */
  #refuse(message: Uint8Array, reason: string): void {
    const { clock, ids, window } = this.#world;
    const now_ms = clock.wall_ms();
    this.calls.note("warn", `message out of protocol: ${reason}`);
    const reply = notUnderstood(decodeMessage(message), reason, {
      messageId: unset,
      sender: this.name,
      now_ms,
    });
    const sends: Outgoing[] = [];
    if (reply !== null) {
      const bytes = encodeMessage(reply);
      ids.write(bytes, 8, now_ms);
      const { receiver } = reply;
      const target = this.#world.find(receiver);
      const placed = target?.inbox.reserve(bytes.length) ?? window.reserve(bytes.length, receiver, this.name);
      if (placed) sends.push({ sender: this.name, bytes, receiver, target });
      else
        this.#world.deadLetter(this, "queue_full", `No room to send not-understood to "${receiver}"`, bytes);
    }
    this.handled++;
    this.#settle(message, { ...noEffects, sends }, noRecords);
  }

  /** Carries out what a call left: at once, or for a durable agent when it is on disk. */
  #settle(
    message: Uint8Array | null,
    effects: CallEffects,
    also: readonly JournalRecord[],
    now_ms = 0,
  ): void {
    for (const { id, due_ms } of effects.timers) if (due_ms !== null) this.#world.setTimer(this, id, due_ms);
    if (!this.durable) {
      for (const outgoing of effects.sends) this.#world.release(outgoing, false, now_ms);
      return;
    }
    const { sends, state, timers } = effects;
    if (message === null && sends.length + state.length + timers.length + also.length === 0) return;
    this.#world.commits.add({
      kind: "handled",
      agent: this,
      record: {
        kind: "handled",
        agent: this.name,
        message: message === null ? null : messageIdOf(message),
        state,
        sends: sends.map(({ bytes, target }) => ({ local: target?.durable === true, message: bytes })),
        timers,
      },
      also,
      sends,
    });
  }

  #trapped(trap: AgentTrap, where: string): void {
    const { clock, counters } = this.#world;
    const at_ms = clock.wall_ms();
    counters.trap(trap.kind);
    this.traps++;
    this.#handler?.close();
    this.#handler = undefined;
    const detail = `${where}: ${trap.detail}`;
    this.#world.event({ kind: "trap", agent: this.name, trap: trap.kind, detail, at_ms });
    if (this.#restartWindow.allow(this.spec.restart, clock.now_ms())) {
      this.restarts++;
      return;
    }
    const { policy, maxRestarts } = this.spec.restart;
    const why = policy === "fail" ? "its policy is to fail" : `more than ${maxRestarts} restarts in a minute`;
    this.failure = `Trapped (${trap.kind}: ${trap.detail}) ${where}; ${why}`;
    this.#status("failed", this.failure);
    this.#answerWaiters(this.failure);
  }

  #status(status: AgentStatus, reason: string): void {
    const at_ms = this.#world.clock.wall_ms();
    this.#world.event({ kind: "status", agent: this.name, status, reason, at_ms });
  }

  #answerWaiters(failure: string | undefined): void {
    for (const waiter of this.#startWaiters.splice(0)) waiter(failure);
  }
}
