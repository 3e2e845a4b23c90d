/**
 * The queue of a minority's writes: durable before it is acknowledged, replayed on heal one after the other in this
 * node's order, each through the same handler as ever and each to one outcome. A crash in the middle repeats
 * nothing: what was begun is known to be, and goes again under the same Idempotency-Key.
 */
import * as v from "valibot";
import type { QueuedWriteView, WriteToQueue } from "../../api/partition-service.ts";
import type { Replay } from "../../api/http/request.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { type Role, isRole } from "../../security/roles.ts";
import type { Principal } from "../../security/tokens.ts";
import type { QueuedWritesStore } from "../../store/queued-writes-store.ts";
import type {
  QueuedWriteCounts,
  QueuedWriteOutcome,
  QueuedWriteRow,
  QueuedWriteToDo,
} from "../../store/queued-writes-table.ts";
import type { Page } from "../../store/store.ts";
import { judgeAnswer, type Judgement } from "./replay-judgement.ts";

/** As long as the control state remembers Idempotency-Keys: older, nobody can tell whether it was done elsewhere. */
export const queuedWriteAge_ms_max = 24 * 3_600_000;
/** Tries of one write that end neither way, while there is a quorum. */
const tries_max = 20;
const firstRetry_ms = 200;
const lastRetry_ms = 5_000;

const headSchema = v.strictObject({
  method: v.string(),
  path: v.string(),
  headers: v.record(v.string(), v.string()),
  subject: v.string(),
  roles: v.array(v.custom<Role>(isRole)),
  tokenId: v.string(),
  keyId: v.string(),
  expires_s: v.number(),
  requestId: v.string(),
  observed: v.nullable(v.number()),
});
type Head = v.InferOutput<typeof headSchema>;

/** The API's own `fetch`, told that it is a replay. */
export type Perform = (request: Request, environment: { readonly replay: Replay }) => Promise<Response>;

export interface WriteQueueOptions {
  readonly self: NodeId;
  readonly store: QueuedWritesStore;
  readonly clock: Clock;
  /** Writes that may wait. */
  readonly limit: number;
  readonly newId: () => string;
  /** There is a quorum: what waits may be done. */
  readonly mayReplay: () => boolean;
  /** Why the principal may not do it any more, whatever its roles; null when it may. */
  readonly revoked: (principal: Principal) => string | null;
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
  #told: Record<QueuedWriteOutcome, number> | undefined;
  #closed = false;

  /** Counts what waits since the last run. */
  static async open(options: WriteQueueOptions): Promise<WriteQueue> {
    const { queued, replaying } = await options.store.counts(0);
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
    const { principal, headers, body, subject, method, path, requestId, observed } = write;
    const { subject: who, ...token } = principal;
    const head: Head = {
      method,
      path,
      headers: { ...headers },
      ...token,
      roles: [...principal.roles],
      subject: who,
      requestId,
      observed,
    };
    const id = newId();
    // Counted before it is kept, so that no later write overtakes it.
    this.#depth++;
    let row: QueuedWriteRow;
    try {
      const idempotencyKey = headers["idempotency-key"] ?? null;
      const text = JSON.stringify(head);
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

  async list(options: {
    readonly limit: number;
    readonly cursor: string | null;
    readonly since_ms: number;
  }): Promise<Page<QueuedWriteView>> {
    const { items, next } = await this.#options.store.list(options);
    return { items: items.map((row) => this.#view(row)), next };
  }

  counts(since_ms: number): Promise<QueuedWriteCounts> {
    return this.#options.store.counts(since_ms);
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
    const { store, clock, mayReplay, began, settled, ended } = this.#options;
    if (this.#told === undefined) {
      began(this.#depth);
      this.#told = { applied: 0, conflicted: 0, refused: 0, expired: 0 };
    }
    while (!this.#closed && mayReplay()) {
      const write = await store.take();
      if (write === undefined) break;
      const judgement = await this.#do(write, perform);
      if (judgement.kind === "undone" || judgement.kind === "unclear") {
        if (judgement.kind === "undone" && write.state === "queued") await store.putBack(write.id);
        this.#again();
        return;
      }
      const { outcome, detail, version } = judgement;
      await store.settle({ id: write.id, outcome, detail, version, at_ms: clock.wall_ms() });
      this.#delay_ms = firstRetry_ms;
      this.#told[outcome]++;
      settled(this.#view({ ...write, state: outcome, detail, settled_ms: clock.wall_ms() }));
      this.#left();
    }
    if (this.#depth > 0) {
      if (mayReplay()) this.#again();
      return;
    }
    const outcomes = this.#told;
    this.#told = undefined;
    ended(outcomes);
  }

  async #do(write: QueuedWriteToDo, perform: Perform): Promise<Judgement> {
    const { clock, revoked } = this.#options;
    const age_ms = clock.wall_ms() - write.at_ms;
    if (age_ms > queuedWriteAge_ms_max) {
      const unsure = write.state === "replaying" ? "; an earlier try of it may have taken effect" : "";
      return settle("expired", `It waited for more than a day${unsure}`);
    }
    const head = headOf(write);
    if (head === undefined) return settle("refused", "This version of the program cannot read it any more");
    const { subject, roles, tokenId, keyId, expires_s } = head;
    const principal: Principal = { subject, roles, tokenId, keyId, expires_s };
    const why = revoked(principal);
    if (why !== null) return settle("refused", why);
    const replay: Replay = {
      principal,
      begun: write.state === "replaying",
      expected: write.versionLeft ?? head.observed,
      before: null,
      after: null,
    };
    const judgement = await judgeAnswer(await perform(requestOf(write, head), { replay }), replay);
    if (judgement.kind !== "unclear") return judgement;
    this.#tries = { id: write.id, count: this.#tries.id === write.id ? this.#tries.count + 1 : 1 };
    if (this.#tries.count < tries_max) return judgement;
    return settle(
      "refused",
      `${judgement.detail} (after ${tries_max} tries, of which one may have taken effect)`,
    );
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

/** Undefined for what another version of the program wrote otherwise. */
function headOf({ head }: QueuedWriteRow): Head | undefined {
  try {
    const read = v.safeParse(headSchema, JSON.parse(head));
    return read.success ? read.output : undefined;
  } catch {
    return undefined;
  }
}

function settle(outcome: QueuedWriteOutcome, detail: string): Judgement {
  return { kind: "settled", outcome, detail, version: null };
}

/** As it came; without a key of its own it has one by its id, so that no retry does it twice. */
function requestOf({ id, body }: QueuedWriteToDo, { method, path, headers, requestId }: Head): Request {
  return new Request(`http://replay${path}`, {
    method,
    headers: { "idempotency-key": `queued-write:${id}`, ...headers, "x-request-id": requestId },
    ...(body.length === 0 ? {} : { body: body as Uint8Array<ArrayBuffer> }),
  });
}
