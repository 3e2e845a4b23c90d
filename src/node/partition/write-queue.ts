/**
 * The queue of a minority's writes: durable before it is acknowledged, replayed on heal in this node's order, each
 * through the same handler as ever and each to one outcome; writes of keys many at a time. A crash in the middle
 * repeats nothing: what was begun is known to be, and goes again under the same Idempotency-Key.
 */
import type { QueuedWriteView, WriteToQueue } from "../../api/partition-service.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Timer } from "../../ports/clock.ts";
import type { QueuedWritesStore } from "../../store/queued-writes-store.ts";
import type {
  QueuedSince,
  QueuedWriteCounts,
  QueuedWriteOutcome,
  QueuedWriteRow,
  QueuedWriteToDo,
  SettledWrite,
} from "../../store/queued-writes-table.ts";
import type { Page } from "../../store/store.ts";
import { batchedCommands_max } from "../../wire/control-batch.ts";
import { headOf, headTextOf } from "./queued-head.ts";
import type { Judgement } from "./replay-judgement.ts";
import { type Perform, replayRound, type RoundOptions } from "./replay-round.ts";

/** Of the writes that are done together: with what stands around them they fit into one command. */
const together_bytes = 512 * 1024;
/** Subjects of writes whose commands may stand in one entry of the log. */
const alike = "kv/";
/**
 * After a round that did not end, so many are done one by one: of one alone it is clear whose fault it was. Twice as many
 * after each further one: a leader of an older program takes no batch ever, and does not even say so.
 */
const aloneAfter = 16;
const aloneAfter_max = 1_024;
/** Tries of one write that end neither way, while there is a quorum. */
const tries_max = 20;
const firstRetry_ms = 200;
const lastRetry_ms = 5_000;

export interface WriteQueueOptions extends Omit<RoundOptions, "perform"> {
  readonly self: NodeId;
  readonly store: QueuedWritesStore;
  /** Writes that may wait. */
  readonly limit: number;
  readonly newId: () => string;
  /** There is a quorum: what waits may be done. */
  readonly mayReplay: () => boolean;
  readonly settled: (write: QueuedWriteView) => void;
  /** An operator gave up so many that were not begun. */
  readonly dropped: (count: number, detail: string) => void;
  /** Another number waits. */
  readonly changed: () => void;
  readonly began: (waiting: number) => void;
  /** Nothing waits any more. */
  readonly ended: (outcomes: Readonly<Record<QueuedWriteOutcome, number>>) => void;
  readonly failed: (what: string, reason: string) => void;
}

export class WriteQueue {
  readonly #options: WriteQueueOptions;
  readonly #waiters = new Set<() => void>();
  #perform: Perform | undefined;
  #depth: number;
  #running: Promise<void> | undefined;
  #timer: Timer | undefined;
  #delay_ms = firstRetry_ms;
  /** Tries of the write at the head, by this process. */
  #tries = { id: "", count: 0 };
  /** So many are done one by one first. */
  #alone = 0;
  #aloneNext = aloneAfter;
  #told: Record<QueuedWriteOutcome, number> | undefined;
  #closed = false;

  /** Counts what waits since the last run. */
  static async open(options: WriteQueueOptions): Promise<WriteQueue> {
    const { queued, replaying } = await options.store.counts({ since_ms: 0, after: 0 });
    return new WriteQueue(options, queued + replaying);
  }

  private constructor(options: WriteQueueOptions, depth: number) {
    this.#options = options;
    this.#depth = depth;
  }

  /** Writes that wait. */
  get depth(): number {
    return this.#depth;
  }

  /** From now on writes can be done. */
  start(perform: Perform): void {
    this.#perform = perform;
    this.replay();
  }

  /** Durable when it resolves. Throws `unavailable` when full, and what the store throws. */
  async accept(write: WriteToQueue): Promise<QueuedWriteView> {
    const { store, clock, newId, limit } = this.#options;
    const { principal, headers, body, subject, method, path } = write;
    const who = principal.subject;
    const id = newId();
    // Counted before it is kept, so that no later write overtakes it.
    this.#depth++;
    let row: QueuedWriteRow;
    try {
      const idempotencyKey = headers["idempotency-key"] ?? null;
      const text = headTextOf(write);
      row = await store.put(
        { id, principal: who, idempotencyKey, subject, at_ms: clock.wall_ms(), head: text, body },
        limit,
      );
    } catch (error) {
      this.#left();
      throw error;
    }
    // The same request again, under its key.
    if (row.id !== id) {
      this.#left();
      const kept = headOf(row);
      if (kept?.method !== method || kept.path !== path) {
        const other = kept === undefined ? "another write" : `${kept.method} ${kept.path}`;
        const detail = `The Idempotency-Key was used for ${other}, which waits in the queue`;
        throw new CaxtonError("conflict", detail);
      }
    }
    this.#options.changed();
    this.replay();
    return this.#view(row);
  }

  /** Does what waits, if there is a quorum. Harmless at any time. */
  replay(): void {
    if (this.#perform === undefined || this.#running !== undefined || this.#closed) return;
    if (this.#depth === 0 || !this.#options.mayReplay()) return;
    this.#timer?.cancel();
    this.#running = this.#run(this.#perform)
      .catch((error: unknown) => {
        this.#options.failed("replay queued writes", reasonOf(error));
        this.#again();
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  async drained(timeout_ms: number): Promise<boolean> {
    if (this.#depth === 0) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add(resolve);
    const timer = this.#options.clock.after(timeout_ms, resolve);
    await promise;
    timer.cancel();
    this.#waiters.delete(resolve);
    return this.#depth === 0;
  }

  /** An operator gives up what was not begun; how many. */
  async drop(detail: string): Promise<number> {
    const dropped = await this.#options.store.refuseUnbegun(detail);
    for (let i = 0; i < dropped; i++) this.#left();
    if (dropped > 0) this.#options.dropped(dropped, detail);
    return dropped;
  }

  /** Of the newest write; those that are queued from now on stand behind it, whatever clocks do. */
  async position(): Promise<number> {
    const { items } = await this.#options.store.list({ limit: 1, cursor: null, since_ms: 0, after: 0 });
    return items[0]?.position ?? 0;
  }

  async list(
    options: QueuedSince & { readonly limit: number; readonly cursor: string | null },
  ): Promise<Page<QueuedWriteView>> {
    const { items, next } = await this.#options.store.list(options);
    return { items: items.map((row) => this.#view(row)), next };
  }

  counts(of: QueuedSince): Promise<QueuedWriteCounts> {
    return this.#options.store.counts(of);
  }

  /** Throws `not_found`. */
  async get(id: string): Promise<QueuedWriteView> {
    const row = await this.#options.store.get(id);
    if (row !== undefined) return this.#view(row);
    const detail = `Node "${this.#options.self}" has no queued write ${id}; old outcomes are not kept for ever`;
    throw new CaxtonError("not_found", detail);
  }

  /** What is under way ends, and nothing more is begun. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #run(perform: Perform): Promise<void> {
    const { store, mayReplay, began, ended } = this.#options;
    if (this.#told === undefined) {
      began(this.#depth);
      this.#told = { applied: 0, conflicted: 0, refused: 0, expired: 0 };
    }
    while (!this.#closed && mayReplay()) {
      const count = this.#alone > 0 ? 1 : batchedCommands_max;
      const writes = await store.take({ count, bytes: together_bytes, alike });
      if (writes.length === 0) break;
      const judgements = await replayRound(writes, { ...this.#options, perform });
      if (await this.#keep(writes, judgements, this.#told)) continue;
      this.#again();
      return;
    }
    if (this.#depth > 0) {
      if (mayReplay()) this.#again();
      return;
    }
    const outcomes = this.#told;
    this.#told = undefined;
    ended(outcomes);
  }

  /** Keeps what became of them, up to the first of which it is not known; whether it is known of all. */
  async #keep(
    writes: readonly QueuedWriteToDo[],
    judgements: readonly Judgement[],
    told: Record<QueuedWriteOutcome, number>,
  ): Promise<boolean> {
    const { store, clock, settled } = this.#options;
    const at_ms = clock.wall_ms();
    const outcomes: (SettledWrite & { readonly write: QueuedWriteToDo })[] = [];
    const undone: string[] = [];
    let known = true;
    for (const [at, write] of writes.entries()) {
      const judgement: Judgement | undefined = known ? this.#bounded(write, judgements[at]) : judgements[at];
      known &&= judgement?.kind === "settled";
      if (known && judgement?.kind === "settled") {
        const { outcome, detail, version } = judgement;
        outcomes.push({ id: write.id, outcome, detail, version, at_ms, write });
      } else if (judgement?.kind === "undone" && write.state === "queued") undone.push(write.id);
      else if (judgement?.kind === "unclear") this.#alone = Math.max(this.#alone, aloneAfter);
    }
    if (writes.length > 1) {
      if (!known) this.#alone = this.#aloneNext;
      this.#aloneNext = known ? aloneAfter : Math.min(2 * this.#aloneNext, aloneAfter_max);
    }
    if (outcomes.length > 0) await store.settle(outcomes.map(({ write: _, ...outcome }) => outcome));
    if (undone.length > 0) await store.putBack(undone);
    for (const { write, outcome, detail } of outcomes) {
      this.#delay_ms = firstRetry_ms;
      if (this.#alone > 0) this.#alone--;
      told[outcome]++;
      settled(this.#view({ ...write, state: outcome, detail, settled_ms: at_ms }));
      this.#left();
    }
    return known;
  }

  /** What stays unclear is given up after so many tries. */
  #bounded(write: QueuedWriteToDo, judgement: Judgement | undefined): Judgement | undefined {
    if (judgement?.kind !== "unclear") return judgement;
    this.#tries = { id: write.id, count: this.#tries.id === write.id ? this.#tries.count + 1 : 1 };
    if (this.#tries.count < tries_max) return judgement;
    const detail = `${judgement.detail} (after ${tries_max} tries, of which one may have taken effect)`;
    return { kind: "settled", outcome: "refused", detail, version: null };
  }

  #again(): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(this.#delay_ms, () => this.replay());
    this.#delay_ms = Math.min(lastRetry_ms, this.#delay_ms * 2);
  }

  #left(): void {
    this.#depth--;
    this.#options.changed();
    if (this.#depth > 0) return;
    for (const wake of this.#waiters) wake();
  }

  #view(row: QueuedWriteRow): QueuedWriteView {
    const { method, path, observed } = headOf(row) ?? { method: "", path: "", observed: null };
    const { id, position, state, principal, idempotencyKey, size_bytes, at_ms, settled_ms, detail } = row;
    return {
      id,
      position,
      node: this.#options.self,
      state,
      method,
      path,
      principal,
      idempotency_key: idempotencyKey,
      observed,
      size_bytes,
      at_ms,
      settled_ms,
      detail,
    };
  }
}
