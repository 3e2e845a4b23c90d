/**
 * The store thread's loop, driven by requests: appends that arrive while a commit runs share the
 * next one; the tables are brought up in idle moments, in slices, and before a read that needs it.
 * Not a thread by itself: store-worker.ts runs it in one, tests and simulation run it in theirs.
 */
import { assert } from "../base/assert.ts";
import { CaxtonError, reasonOf, type ErrorCode } from "../base/errors.ts";
import type { Clock, Timer } from "../ports/clock.ts";
import type { Channel } from "../ports/threads.ts";
import { answerCall, needsTables } from "./calls.ts";
import type { StoreEngine } from "./engine.ts";
import {
  commitTimesLimit,
  eagerBacklog_bytes,
  eagerBacklog_records,
  groupLimit_bytes,
  queueLimit_bytes,
  quiet_ms,
  saveGroupLimit,
} from "./limits.ts";
import type { AgentSave, StoreCall, StoreReply, StoreRequest } from "./store-protocol.ts";

export type StoreChannel = Channel<StoreRequest, StoreReply>;

export interface ServerWorld {
  readonly clock: Clock;
  /** Runs `callback` after the events that wait already, as setImmediate does. */
  readonly soon: (callback: () => void) => void;
  /** Of appends that wait for a commit; `queueLimit_bytes` unless given. */
  readonly queue_bytes?: number;
}

/** Failures that say something about the disk, not about what was to be written. */
const diskTroubles: ReadonlySet<ErrorCode> = new Set(["disk_full", "storage_failed", "data_corrupt"]);

interface QueuedAppend {
  readonly channel: StoreChannel;
  readonly request: number;
  readonly bytes: Uint8Array;
  readonly records: number;
}

interface WaitingCall {
  readonly channel: StoreChannel;
  readonly request: number;
  readonly call: StoreCall;
  /** Runs once the journal is applied up to this row. */
  readonly sequence: number;
}

interface QueuedSave extends AgentSave {
  readonly channel: StoreChannel;
}

export class StoreServer {
  readonly #engine: StoreEngine;
  readonly #world: ServerWorld;
  readonly #closed: () => void;
  #queue: QueuedAppend[] = [];
  #queued_bytes = 0;
  #waiting: WaitingCall[] = [];
  #saves: QueuedSave[] = [];
  #saveSet = false;
  #commitSet = false;
  #applySet = false;
  #quiet: Timer | undefined;
  #commits = 0;
  readonly #commit_ms: number[] = [];
  /** Set by a failure after which the file cannot be trusted to take more: nothing is written until a restart. */
  #broken: CaxtonError | undefined;
  /** Why the latest write failed; undefined when it did not. */
  #refusing: string | undefined;
  #open = true;

  /** `closed` is called once, after the owner's `close` was answered. */
  constructor(engine: StoreEngine, world: ServerWorld, closed: () => void = () => undefined) {
    this.#engine = engine;
    this.#world = world;
    this.#closed = closed;
    this.#planApplying();
  }

  /** Serves a client. When the owner's closes, the store does. */
  serve(channel: StoreChannel, role: "owner" | "client"): void {
    channel.receive((request) => this.#receive(channel, role, request));
  }

  #receive(channel: StoreChannel, role: "owner" | "client", request: StoreRequest): void {
    if (!this.#open) {
      const requests =
        request.kind === "saves" ? request.saves.map((save) => save.request) : [request.request];
      this.#fail(channel, requests, new CaxtonError("unavailable", "The store is closed"));
    } else if (request.kind === "saves") {
      for (const save of request.saves) this.#receiveSave(channel, save);
    } else if (request.kind === "append") {
      this.#enqueue(channel, request);
    } else if (request.call.name === "close") {
      this.#end(channel, role, request.request);
    } else {
      this.#receiveCall(channel, request.request, request.call);
    }
  }

  #enqueue(channel: StoreChannel, request: Extract<StoreRequest, { kind: "append" }>): void {
    const limit_bytes = this.#world.queue_bytes ?? queueLimit_bytes;
    if (this.#queued_bytes + request.batch.length > limit_bytes) {
      const detail = `The store has ${this.#queued_bytes} bytes waiting for a commit, at most ${limit_bytes}`;
      this.#fail(channel, [request.request], new CaxtonError("queue_full", detail));
      return;
    }
    this.#queue.push({ channel, request: request.request, bytes: request.batch, records: request.records });
    this.#queued_bytes += request.batch.length;
    if (this.#commitSet) return;
    this.#commitSet = true;
    this.#world.soon(() => {
      this.#commitSet = false;
      this.#commitQueue();
    });
  }

  /** One group commit after the other until the queue is empty, each bounded in bytes. */
  #commitQueue(): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#queued_bytes = 0;
    for (let from = 0; from < queue.length;) {
      let to = from;
      for (let bytes = 0; to < queue.length; to++) {
        bytes += (queue[to] as QueuedAppend).bytes.length;
        if (bytes > groupLimit_bytes && to > from) break;
      }
      this.#commitGroup(queue.slice(from, to));
      from = to;
    }
    this.#planApplying();
  }

  #commitGroup(group: readonly QueuedAppend[]): void {
    let failure = this.#broken ?? this.#relieve();
    if (failure === undefined) {
      const start_ms = this.#world.clock.now_ms();
      try {
        this.#engine.append(group);
        this.#refusing = undefined;
        this.#commits++;
        this.#commit_ms.push(this.#world.clock.now_ms() - start_ms);
        if (this.#commit_ms.length > commitTimesLimit) this.#commit_ms.shift();
      } catch (thrown) {
        failure = this.#writeFailure(thrown);
      }
    }
    const byChannel = Map.groupBy(group, (append) => append.channel);
    for (const [channel, appends] of byChannel) {
      const requests = appends.map((append) => append.request);
      if (failure === undefined) channel.post({ kind: "appended", requests });
      else this.#fail(channel, requests, failure);
    }
  }

  /** Keeps the journal's bound: beyond it applying comes before new commits, and without it there are none. */
  #relieve(): CaxtonError | undefined {
    try {
      while (this.#engine.backlogFull && this.#engine.applySlice());
      return undefined;
    } catch (thrown) {
      return this.#writeFailure(thrown);
    }
  }

  #receiveSave(channel: StoreChannel, { request, agent }: AgentSave): void {
    if (this.#waiting.length === 0) this.#enqueueSave({ channel, request, agent });
    else this.#receiveCall(channel, request, { name: "saveAgent", in: agent });
  }

  /** Calls are answered in the order in which they came. */
  #receiveCall(channel: StoreChannel, request: number, call: StoreCall): void {
    this.#saveAll();
    if (this.#waiting.length === 0 && !needsTables(call)) {
      this.#answer(channel, request, call);
      return;
    }
    if (this.#queue.length > 0) this.#commitQueue();
    this.#waiting.push({ channel, request, call, sequence: this.#engine.journal.last });
    this.#scheduleApplying();
  }

  /** A thousand agents that come at once cost a few commits, not a thousand. */
  #enqueueSave(save: QueuedSave): void {
    this.#saves.push(save);
    if (this.#saves.length >= saveGroupLimit) this.#saveAll();
    if (this.#saveSet) return;
    this.#saveSet = true;
    this.#world.soon(() => {
      this.#saveSet = false;
      this.#saveAll();
    });
  }

  #saveAll(): void {
    const saves = this.#saves;
    if (saves.length === 0) return;
    this.#saves = [];
    if (saves.length > 1 && this.#broken === undefined) {
      try {
        this.#engine.saveAgents(saves.map(({ agent }) => agent));
        this.#refusing = undefined;
        for (const [channel, own] of Map.groupBy(saves, (save) => save.channel))
          channel.post({ kind: "appended", requests: own.map(({ request }) => request) });
        return;
      } catch (thrown) {
        // Each for itself then: it is told what is wrong with its own.
        this.#writeFailure(thrown);
      }
    }
    for (const { channel, request, agent } of saves)
      this.#answer(channel, request, { name: "saveAgent", in: agent });
  }

  #scheduleApplying(): void {
    if (this.#applySet || !this.#open) return;
    this.#applySet = true;
    this.#world.soon(() => {
      this.#applySet = false;
      this.#apply();
    });
  }

  /** One slice, so that a commit never waits for more than that; then whoever waited for it. */
  #apply(): void {
    if (!this.#open) return;
    let failure: CaxtonError | undefined = this.#broken;
    try {
      if (failure === undefined) this.#engine.applySlice();
    } catch (thrown) {
      failure = this.#writeFailure(thrown);
    }
    let ready = 0;
    for (const { channel, request, call, sequence } of this.#waiting) {
      if (failure === undefined && !this.#engine.journal.applied(sequence)) break;
      ready++;
      if (failure === undefined) this.#answer(channel, request, call);
      else this.#answerBehind(channel, request, call, failure);
    }
    this.#waiting = this.#waiting.slice(ready);
    if (failure === undefined) this.#planApplying();
  }

  /** At once when a call waits or much is behind; else when it has been quiet for a while. */
  #planApplying(): void {
    if (!this.#open) return;
    const { records, bytes } = this.#engine.journal.backlog;
    if (this.#waiting.length > 0 || records > eagerBacklog_records || bytes > eagerBacklog_bytes) {
      this.#scheduleApplying();
      return;
    }
    this.#quiet?.cancel();
    this.#quiet = records === 0 ? undefined : this.#world.clock.after(quiet_ms, () => this.#whenQuiet());
  }

  #whenQuiet(): void {
    this.#quiet = undefined;
    if (!this.#open || this.#queue.length > 0) return;
    this.#scheduleApplying();
  }

  #answer(channel: StoreChannel, request: number, call: StoreCall): void {
    try {
      if (this.#broken !== undefined && writes(call)) throw this.#broken;
      if (endsJournal(call)) while (this.#engine.applySlice());
      const value = call.name === "stats" ? this.#stats() : answerCall(this.#engine, this.#world.clock, call);
      if (writes(call)) this.#refusing = undefined;
      channel.post({ kind: "result", request, value });
    } catch (thrown) {
      const error = writes(call) ? this.#writeFailure(thrown) : this.#failure(thrown);
      this.#fail(channel, [request], error);
    }
  }

  /** The tables cannot be brought up: reads are answered from a preview, writes refused. */
  #answerBehind(channel: StoreChannel, request: number, call: StoreCall, failure: CaxtonError): void {
    if (writes(call) || failure.code === "data_corrupt") {
      this.#fail(channel, [request], failure);
      return;
    }
    try {
      const value = this.#engine.preview(() => answerCall(this.#engine, this.#world.clock, call));
      channel.post({ kind: "result", request, value });
    } catch (thrown) {
      this.#fail(channel, [request], this.#failure(thrown));
    }
  }

  #stats(): unknown {
    const figures = this.#engine.figures();
    return {
      size_bytes: figures.size_bytes,
      commits: this.#commits,
      journalRecords: figures.backlog_records,
      deadLetters: figures.deadLetters,
      deadLettersDropped: figures.deadLettersDropped,
      outbox: figures.outbox,
      commit_ms: [...this.#commit_ms],
      refusing: this.#refusing ?? null,
    };
  }

  #end(channel: StoreChannel, role: "owner" | "client", request: number): void {
    this.#saveAll();
    if (this.#queue.length > 0) this.#commitQueue();
    if (role === "client") {
      channel.post({ kind: "result", request, value: undefined });
      return;
    }
    this.#open = false;
    this.#quiet?.cancel();
    for (const waiting of this.#waiting) {
      this.#fail(waiting.channel, [waiting.request], new CaxtonError("unavailable", "The store is closing"));
    }
    this.#waiting = [];
    this.#engine.close();
    channel.post({ kind: "result", request, value: undefined });
    this.#closed();
  }

  #fail(channel: StoreChannel, requests: readonly number[], error: CaxtonError): void {
    channel.post({ kind: "failed", requests, code: error.code, detail: error.message });
  }

  #failure(thrown: unknown): CaxtonError {
    if (thrown instanceof CaxtonError) return thrown;
    return new CaxtonError("internal", `The store failed: ${reasonOf(thrown)}`, { cause: thrown });
  }

  /**
   * After a failed sync the kernel may have dropped pages that were never written, and a later
   * commit would rest on them: the store then takes no more writes until it is opened again. The
   * same for a damaged journal. A full disk is not of that kind.
   */
  #writeFailure(thrown: unknown): CaxtonError {
    const error = this.#failure(thrown);
    const syncFailed = error.code === "storage_failed" && error.message.includes("FSYNC");
    if (syncFailed || error.code === "data_corrupt") {
      this.#broken ??= new CaxtonError(
        error.code,
        `${error.message}. Nothing is written until the node restarts`,
      );
    }
    if (diskTroubles.has(error.code)) this.#refusing = (this.#broken ?? error).message;
    return error;
  }
}

/** What becomes of an agent's rows, or of the outbox, is decided with all of the journal in them. */
function endsJournal({ name }: StoreCall): boolean {
  switch (name) {
    case "removeAgent":
    case "putAside":
    case "removeMoved":
    case "removeDoubtful":
    case "removeUnsent":
    case "takeIncoming":
      return true;
    default:
      return false;
  }
}

function writes(call: StoreCall): boolean {
  assert(call.name !== "close", "close is no ordinary call");
  return /^(?:put|remove|save|take)/.test(call.name);
}
