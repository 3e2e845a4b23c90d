/**
 * The host's side of one agent's calls: gathers what a handler does (sends, state writes, timers) so
 * that all of it can be kept when the call returned, or undone when it trapped.
 */
import type { AgentName } from "../../base/ids.ts";
import { ConversationGuard } from "../../messaging/conversation-guard.ts";
import { fastReceiver, latin1Bytes } from "../../messaging/fast-ascii.ts";
import { messageRefusal } from "../../messaging/message-rules.ts";
import { sealOutgoing } from "../../messaging/outgoing-message.ts";
import { checkMessage, messageLimit_bytes } from "../../wire/message.ts";
import type { HostFunctions } from "../../wasm/host.ts";
import { AgentTrap } from "../../wasm/trap.ts";
import { WireError } from "../../wire/cursor.ts";
import type { AgentState, StateWrite } from "./agent-state.ts";
import type { AgentTimers, TimerChange } from "./agent-timers.ts";
import type { Outgoing } from "./agent-face.ts";
import type { AgentWorld } from "./agent-world.ts";
import { abiErrors, refusalsPerCall, sendsPerCall, sendsPerCall_bytes } from "./host-calls.ts";
import { LogLimit } from "./log-limit.ts";

const levels = ["debug", "info", "warn", "error"] as const;
const lenientUtf8 = new TextDecoder();

/** What one call left behind. */
export interface CallEffects {
  readonly sends: readonly Outgoing[];
  readonly state: readonly StateWrite[];
  readonly timers: readonly TimerChange[];
}

const noState: readonly StateWrite[] = [];
const noTimers: readonly TimerChange[] = [];
const noSends: readonly Outgoing[] = [];
const noEffects: CallEffects = { sends: noSends, state: noState, timers: noTimers };

export class AgentCalls implements HostFunctions {
  readonly #world: AgentWorld;
  readonly #agent: AgentName;
  readonly #state: AgentState;
  readonly #timers: AgentTimers;
  readonly #guard: ConversationGuard;
  readonly #sender: Uint8Array;
  readonly #logLimit = new LogLimit();
  #sends: Outgoing[] = [];
  #sent_bytes = 0;
  /** The call used state, timers or conversations. Most don't, and those are then left alone. */
  #touched = false;
  #now_ms = 0;
  #refusals = 0;
  #trace: Uint8Array | undefined;

  constructor(
    world: AgentWorld,
    agent: AgentName,
    parts: { readonly state: AgentState; readonly timers: AgentTimers },
    guard: ConversationGuard,
  ) {
    this.#world = world;
    this.#agent = agent;
    this.#state = parts.state;
    this.#timers = parts.timers;
    this.#guard = guard;
    this.#sender = latin1Bytes(agent);
  }

  /** A call begins; `trace` is the handled message's trace context. */
  begin(trace: Uint8Array | undefined): void {
    this.#trace = trace;
    this.#now_ms = 0;
    this.#refusals = 0;
  }

  /** The call returned: what it left, for the thread to carry out. `collect`: state writes are wanted too. */
  finish(collect: boolean): CallEffects {
    let sends = noSends;
    if (this.#sends.length > 0) {
      sends = this.#sends;
      this.#sends = [];
      this.#sent_bytes = 0;
    }
    if (!this.#touched) return sends === noSends ? noEffects : { sends, state: noState, timers: noTimers };
    this.#touched = false;
    this.#guard.commit();
    return { sends, state: this.#state.commit(collect), timers: this.#timers.commit() };
  }

  /** Why a message that the agent sends or receives is out of protocol, or undefined: then it counts with the call. */
  judge(message: Uint8Array): string | undefined {
    if (!ConversationGuard.concerns(message)) return undefined;
    this.#touched = true;
    return this.#guard.judge(message, this.now());
  }

  /** The call trapped: nothing of it happened. */
  undo(): void {
    for (const { bytes, receiver, target } of this.#sends) {
      if (target === undefined) this.#world.window.release(bytes.length, receiver, this.#agent);
      else target.inbox.release(bytes.length);
    }
    this.#sends = [];
    this.#sent_bytes = 0;
    this.#touched = false;
    this.#state.undo();
    this.#timers.undo();
    this.#guard.undo();
  }

  log(level: 0 | 1 | 2 | 3, text: Uint8Array): void {
    // Before anything is made of the bytes.
    if (this.#mayLog()) this.#line(levels[level], lenientUtf8.decode(text));
  }

  /** A line in the agent's log about it. */
  note(level: (typeof levels)[number], text: string): void {
    if (this.#mayLog()) this.#line(level, text);
  }

  #mayLog(): boolean {
    return this.#logLimit.admit(this.#world.clock.now_ms());
  }

  #line(level: (typeof levels)[number], text: string): void {
    const { clock } = this.#world;
    const at_ms = clock.wall_ms();
    const dropped = this.#logLimit.takeDropped();
    const agent = this.#agent;
    if (dropped > 0) {
      const left = `${dropped} lines left out: more than 200 a second`;
      this.#world.event({ kind: "log", agent, level: "warn", text: left, at_ms });
    }
    this.#world.event({ kind: "log", agent, level, text, at_ms });
  }

  send(guest: Uint8Array): number {
    if (guest.length > messageLimit_bytes) return this.#refused(abiErrors.tooLarge);
    const refused = this.#malformed(guest);
    if (refused !== undefined) return this.#refuse(abiErrors.invalid, refused);
    if (this.#sends.length >= sendsPerCall || this.#sent_bytes + guest.length > sendsPerCall_bytes) {
      return this.#refused(abiErrors.tooManySends);
    }
    const bytes = sealOutgoing(guest, this.#sender, this.#trace, this.#world.ids, this.now());
    const receiver = fastReceiver(bytes);
    const target = this.#world.find(receiver);
    if (target === undefined) {
      if (!this.#world.window.reserve(bytes.length, receiver, this.#agent))
        return this.#refused(abiErrors.queueFull);
    } else {
      if (bytes[3] === exactlyOnce && !target.durable) {
        return this.#refuse(abiErrors.invalid, `exactly_once to "${receiver}", which is volatile`);
      }
      if (target.durable && this.#world.commits.full) return this.#refused(abiErrors.queueFull);
      if (!target.inbox.reserve(bytes.length)) return this.#refused(abiErrors.queueFull);
    }
    // Judged last, because it counts: a message that found no place was never said.
    const misfit = this.judge(bytes);
    if (misfit !== undefined) {
      if (target === undefined) this.#world.window.release(bytes.length, receiver, this.#agent);
      else target.inbox.release(bytes.length);
      return this.#refuse(abiErrors.invalid, misfit);
    }
    this.#sends.push({ sender: this.#agent, bytes, receiver, target });
    this.#sent_bytes += bytes.length;
    return 0;
  }

  now(): number {
    if (this.#now_ms === 0) this.#now_ms = this.#world.clock.wall_ms();
    return this.#now_ms;
  }

  random(): bigint {
    const { prng } = this.#world;
    return BigInt.asIntN(64, (BigInt(prng.u32()) << 32n) | BigInt(prng.u32()));
  }

  timerSet(id: number, delay_ms: number): number {
    this.#touched = true;
    return this.#timers.set(id, delay_ms, this.now()) ? 0 : this.#refused(abiErrors.tooManyTimers);
  }

  timerCancel(id: number): number {
    this.#touched = true;
    this.#timers.cancel(id);
    return 0;
  }

  stateGet(key: Uint8Array): Uint8Array | undefined {
    return this.#state.get(key);
  }

  stateSet(key: Uint8Array, value: Uint8Array): number {
    this.#touched = true;
    return this.#state.set(key, value) ? 0 : this.#refused(abiErrors.stateLimit);
  }

  stateDelete(key: Uint8Array): number {
    this.#touched = true;
    return this.#state.delete(key) ? 0 : this.#refused(abiErrors.stateLimit);
  }

  stateNext(key: Uint8Array): Uint8Array | undefined {
    return this.#state.next(key);
  }

  #refuse(code: number, reason: string): number {
    if (this.#mayLog()) this.#line("error", `send refused: ${reason}`);
    return this.#refused(code);
  }

  /** Refusals are cheap for a guest that does not listen: so there is an end to them. */
  #refused(code: number): number {
    if (++this.#refusals <= refusalsPerCall) return code;
    throw new AgentTrap(
      "refused_calls",
      `the host refused more than ${refusalsPerCall} of its calls in one handling`,
    );
  }

  /** Why the bytes are no message that may be sent, or undefined. */
  #malformed(guest: Uint8Array): string | undefined {
    try {
      if (checkMessage(guest) !== guest.length) return "trailing bytes after the message";
    } catch (error) {
      if (error instanceof WireError) return error.message;
      throw error;
    }
    return messageRefusal(guest);
  }
}

/** The byte of `exactly_once` in `deliveries`. */
const exactlyOnce = 2;
