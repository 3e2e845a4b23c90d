/**
 * The store as other threads see it: `Store` over a channel to the store thread. Appends made
 * in one turn travel as one batch; each promise settles when its records are durable or refused.
 */
import type { ErrorCode } from "../base/errors.ts";
import { CaxtonError, isErrorCode } from "../base/errors.ts";
import type { AgentName, MessageId, ModuleHash, NodeId } from "../base/ids.ts";
import type { Channel } from "../ports/threads.ts";
import { WireError, Writer } from "../wire/cursor.ts";
import { writeJournalRecord } from "../wire/journal-codec.ts";
import type { JournalRecord } from "../wire/journal-record.ts";
import {
  batchLimit_bytes,
  clientAppendsLimit,
  clientAppendsLimit_bytes,
  clientRequestsLimit,
} from "./limits.ts";
import type { QueuedWritesStore } from "./queued-writes-store.ts";
import type {
  ConversationSummary,
  DeadLetter,
  KeptJournal,
  Page,
  RecoveredAgent,
  Store,
  StoredAgent,
  StoreStats,
} from "./store.ts";
import type {
  AgentSave,
  StoreCall,
  StoreCallName,
  StoreCalls,
  StoreReply,
  StoreRequest,
} from "./store-protocol.ts";

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: CaxtonError) => void;
}

interface SentBatch {
  readonly waiters: readonly Waiter[];
  readonly bytes: number;
}

/** Of appends that are not yet answered. */
export interface ClientLimits {
  readonly appends: number;
  readonly bytes: number;
}

const defaultLimits: ClientLimits = { appends: clientAppendsLimit, bytes: clientAppendsLimit_bytes };

/** A batch is sent early from this size on, so that a burst in one turn stays bounded by the queue's limits. */
const flush_bytes = 1024 * 1024;
const writer_bytes = 16 * 1024;

export class StoreClient implements Store {
  readonly #channel: Channel<StoreReply, StoreRequest>;
  readonly #limits: ClientLimits;
  readonly #calls = new Map<number, Waiter>();
  readonly #batches = new Map<number, SentBatch>();
  #writer = new Writer(writer_bytes);
  #waiters: Waiter[] = [];
  /** Of this turn; they travel together. */
  #saves: AgentSave[] = [];
  #records = 0;
  #appends = 0;
  #appended_bytes = 0;
  #request = 0;
  #ended: CaxtonError | undefined;

  constructor(channel: Channel<StoreReply, StoreRequest>, limits: ClientLimits = defaultLimits) {
    this.#channel = channel;
    this.#limits = limits;
    channel.receive((reply) => this.#receive(reply));
  }

  putModule(hash: ModuleHash, bytes: Uint8Array): Promise<void> {
    return this.#call("putModule", { hash, bytes });
  }

  getModule(hash: ModuleHash): Promise<Uint8Array | undefined> {
    return this.#call("getModule", hash);
  }

  listModules(): Promise<readonly { readonly hash: ModuleHash; readonly size_bytes: number }[]> {
    return this.#call("listModules", null);
  }

  removeModule(hash: ModuleHash): Promise<void> {
    return this.#call("removeModule", hash);
  }

  saveAgent(agent: StoredAgent): Promise<void> {
    return this.#ask((request) => {
      this.#saves.push({ request, agent });
      if (this.#saves.length === 1) queueMicrotask(() => this.#flushSaves());
    });
  }

  removeAgent(name: AgentName): Promise<void> {
    return this.#call("removeAgent", name);
  }

  listAgents(): Promise<readonly StoredAgent[]> {
    return this.#call("listAgents", null);
  }

  recoverAgent(name: AgentName): Promise<RecoveredAgent> {
    return this.#call("recoverAgent", name);
  }

  measureAgent(name: AgentName): Promise<number> {
    return this.#call("measureAgent", name);
  }

  putAside(name: AgentName, owner: NodeId, owner_epoch: number): Promise<void> {
    return this.#call("putAside", { name, owner, owner_epoch });
  }

  listKept(name: AgentName): Promise<readonly KeptJournal[]> {
    return this.#call("listKept", name);
  }

  putIncoming(name: AgentName, transfer: number, journal: Uint8Array): Promise<void> {
    return this.#call("putIncoming", { name, transfer, journal });
  }

  takeIncoming(agent: StoredAgent, transfer: number): Promise<boolean> {
    return this.#call("takeIncoming", { agent, transfer });
  }

  removeMoved(name: AgentName): Promise<void> {
    return this.#call("removeMoved", name);
  }

  removeDoubtful(name: AgentName): Promise<void> {
    return this.#call("removeDoubtful", name);
  }

  removeUnsent(ids: readonly MessageId[]): Promise<void> {
    return this.#call("removeUnsent", ids);
  }

  async recoverOutbox(): Promise<readonly Uint8Array[]> {
    const messages: Uint8Array[] = [];
    for (let after: number | null = 0; after !== null;) {
      const page: StoreCalls["recoverOutbox"]["out"] = await this.#call("recoverOutbox", after);
      for (const message of page.messages) messages.push(message);
      after = page.last;
    }
    return messages;
  }

  listDeadLetters(options: { limit: number; cursor: string | null }): Promise<Page<DeadLetter>> {
    return this.#call("listDeadLetters", options);
  }

  takeDeadLetters(ids: readonly number[] | "all"): Promise<readonly DeadLetter[]> {
    return this.#call("takeDeadLetters", ids);
  }

  listConversations(options: { limit: number; cursor: string | null }): Promise<Page<ConversationSummary>> {
    return this.#call("listConversations", options);
  }

  listMessages(options: {
    conversation: string | null;
    limit: number;
    cursor: string | null;
  }): Promise<Page<Uint8Array>> {
    return this.#call("listMessages", options);
  }

  getMeta(key: string): Promise<Uint8Array | undefined> {
    return this.#call("getMeta", key);
  }

  putMeta(key: string, value: Uint8Array): Promise<void> {
    return this.#call("putMeta", { key, value });
  }

  /** A minority's writes; see queued-writes-table.ts. */
  readonly queuedWrites: QueuedWritesStore = {
    put: (write, limit) => this.#call("putQueuedWrite", { write, limit }),
    take: (limit) => this.#call("takeQueuedWrites", limit),
    putBack: (ids) => this.#call("putQueuedWritesBack", ids),
    settle: (settled) => this.#call("putWriteOutcomes", settled),
    refuseUnbegun: (detail) => this.#call("takeUnbegunWrites", detail),
    get: (id) => this.#call("getQueuedWrite", id),
    list: (options) => this.#call("listQueuedWrites", options),
    counts: (of) => this.#call("countQueuedWrites", of),
  };

  stats(): Promise<StoreStats> {
    return this.#call("stats", null);
  }

  /**
   * Throws at once (as a rejection) `queue_full` beyond the client's bounds, `payload_too_large` for a
   * single call beyond `batchLimit_bytes`, `invalid_message` for a record that breaks a bound of its format.
   */
  append(records: readonly JournalRecord[]): Promise<void> {
    if (records.length === 0 && this.#ended === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const refusal = this.#encode(records);
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      this.#waiters.push({ resolve: () => resolve(), reject });
      this.#appends++;
      if (this.#waiters.length === 1) queueMicrotask(() => this.#flush());
      if (this.#writer.length >= flush_bytes) this.#flush();
    });
  }

  /** What was appended before is committed. The client of the thread that started the store closes the store. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    const closed = this.#call("close", null);
    this.#ended = new CaxtonError("unavailable", "The store is closed");
    await closed;
    this.#channel.close();
  }

  /** Rejects everything that is under way and all that comes: the store thread is gone. */
  fail(error: CaxtonError): void {
    this.#ended = error;
    const waiters = [
      ...this.#calls.values(),
      ...this.#waiters,
      ...[...this.#batches.values()].flatMap((b) => b.waiters),
    ];
    this.#calls.clear();
    this.#batches.clear();
    this.#waiters = [];
    this.#saves = [];
    this.#writer.reset();
    for (const waiter of waiters) waiter.reject(error);
  }

  /** Adds the records to the batch of this turn, or says why not and leaves the batch as it was. */
  #encode(records: readonly JournalRecord[]): CaxtonError | undefined {
    if (this.#ended !== undefined) return this.#ended;
    if (this.#appends >= this.#limits.appends || this.#appended_bytes >= this.#limits.bytes) {
      return new CaxtonError(
        "queue_full",
        `${this.#appends} appends of ${this.#appended_bytes} bytes wait for the store, at most ` +
          `${this.#limits.appends} of ${this.#limits.bytes}`,
      );
    }
    const start = this.#writer.length;
    try {
      for (const record of records) {
        writeJournalRecord(this.#writer, record);
        if (this.#writer.length - start > batchLimit_bytes) {
          this.#writer.truncate(start);
          return new CaxtonError(
            "payload_too_large",
            `Records of more than ${batchLimit_bytes} bytes in one append`,
          );
        }
      }
    } catch (thrown) {
      this.#writer.truncate(start);
      if (!(thrown instanceof WireError)) throw thrown;
      return new CaxtonError("invalid_message", `Cannot store a record: ${thrown.message}`, {
        cause: thrown,
      });
    }
    this.#records += records.length;
    this.#appended_bytes += this.#writer.length - start;
    return undefined;
  }

  #flushSaves(): void {
    if (this.#saves.length === 0) return;
    const saves = this.#saves;
    this.#saves = [];
    this.#channel.post({ kind: "saves", saves });
  }

  /** Saves of this turn came before its appends, which were sent when a save came after them. */
  #flush(): void {
    this.#flushSaves();
    if (this.#waiters.length === 0) return;
    const batch = this.#writer.finish();
    const request = ++this.#request;
    this.#batches.set(request, { waiters: this.#waiters, bytes: batch.length });
    const records = this.#records;
    this.#waiters = [];
    this.#records = 0;
    // A writer that a burst made large is not kept.
    if (batch.length > flush_bytes) this.#writer = new Writer(writer_bytes);
    else this.#writer.reset();
    this.#channel.post({ kind: "append", request, batch, records }, [batch.buffer]);
  }

  #call<Name extends StoreCallName>(
    name: Name,
    input: StoreCalls[Name]["in"],
  ): Promise<StoreCalls[Name]["out"]> {
    return this.#ask((request) => {
      this.#flushSaves();
      this.#channel.post({ kind: "call", request, call: { name, in: input } as StoreCall });
    });
  }

  #ask<Answer>(send: (request: number) => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      if (this.#calls.size >= clientRequestsLimit) {
        reject(new CaxtonError("queue_full", `${clientRequestsLimit} requests wait for the store`));
        return;
      }
      // What was appended before the call reaches the store before it.
      if (this.#waiters.length > 0) this.#flush();
      const request = ++this.#request;
      this.#calls.set(request, { resolve: resolve as (value: unknown) => void, reject });
      send(request);
    });
  }

  #receive(reply: StoreReply): void {
    if (reply.kind === "result") {
      const waiter = this.#calls.get(reply.request);
      this.#calls.delete(reply.request);
      waiter?.resolve(reply.value);
      return;
    }
    for (const request of reply.requests) {
      const waiters = this.#takeBatch(request) ?? this.#takeCall(request);
      for (const waiter of waiters) {
        if (reply.kind === "appended") waiter.resolve(undefined);
        else waiter.reject(new CaxtonError(codeOf(reply.code), reply.detail));
      }
    }
  }

  #takeBatch(request: number): readonly Waiter[] | undefined {
    const batch = this.#batches.get(request);
    if (batch === undefined) return undefined;
    this.#batches.delete(request);
    this.#appends -= batch.waiters.length;
    this.#appended_bytes -= batch.bytes;
    return batch.waiters;
  }

  #takeCall(request: number): readonly Waiter[] {
    const waiter = this.#calls.get(request);
    this.#calls.delete(request);
    return waiter === undefined ? [] : [waiter];
  }
}

function codeOf(code: string): ErrorCode {
  return isErrorCode(code) ? code : "internal";
}
