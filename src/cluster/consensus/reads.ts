/** Linearizable reads on their way: asked of the core, tried again after a change of leader, answered or late. Bounded. */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { Heap } from "../../base/heap.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { ReadResult } from "../../raft/effects.ts";
import type { ConsensusAnswer } from "./requests.ts";

const readsLimit = 16_384;
const retry_ms = 10;

interface Read {
  readonly request: number;
  readonly query: Uint8Array;
  readonly timeout_ms: number;
  readonly due_ms: number;
}

export interface ReadsOptions {
  readonly clock: Clock;
  /** Asks the core, soon; answered by `result`. */
  readonly ask: (attempt: number) => void;
  readonly answer: (answer: ConsensusAnswer) => void;
  readonly hasLeader: () => boolean;
  /** The state machine's answer, now. */
  readonly query: (query: Uint8Array) => { readonly bytes: Uint8Array; readonly appliedIndex: number };
}

export class Reads {
  readonly #all = new Map<number, Read>();
  /** Each try has an id of its own at the core. */
  readonly #attempts = new Map<number, number>();
  readonly #waiting = new Set<number>();
  readonly #deadlines = new Heap<{ readonly id: number; readonly due_ms: number }>(
    (a, b) => a.due_ms < b.due_ms,
  );
  #lastId = 0;
  #lastAttempt = 0;
  #timer: Timer | undefined;
  #timerDue_ms = Infinity;
  #closed = false;
  answered = 0;

  constructor(private readonly options: ReadsOptions) {}

  add(request: number, query: Uint8Array, timeout_ms: number): void {
    if (this.#all.size >= readsLimit) {
      this.#fail(request, "too_many_requests", "Too many reads wait on this node; try again later");
      return;
    }
    const id = ++this.#lastId;
    const due_ms = this.options.clock.now_ms() + timeout_ms;
    this.#all.set(id, { request, query, timeout_ms, due_ms });
    this.#deadlines.push({ id, due_ms });
    this.#arm(due_ms);
    if (this.options.hasLeader()) this.#ask(id);
    else this.#waiting.add(id);
  }

  retry(): void {
    if (!this.options.hasLeader()) return;
    const ids = [...this.#waiting];
    this.#waiting.clear();
    for (const id of ids) this.#ask(id);
  }

  result(attempt: number, result: ReadResult): void {
    const id = this.#attempts.get(attempt) ?? 0;
    this.#attempts.delete(attempt);
    const read = this.#all.get(id);
    if (!read) return;
    if (result.kind === "ready") {
      this.#all.delete(id);
      this.local(read.request, read.query);
    } else if (result.reason === "stopped") {
      this.#all.delete(id);
      this.#fail(read.request, "unavailable", "This node takes no part in consensus any more");
    } else {
      this.#waiting.add(id);
      this.#arm(this.options.clock.now_ms() + retry_ms);
    }
  }

  /** Answered at once from what is applied here. */
  local(request: number, query: Uint8Array): void {
    try {
      this.options.answer({ kind: "read", request, ...this.options.query(query) });
      this.answered++;
    } catch (thrown) {
      this.#fail(request, thrown instanceof CaxtonError ? thrown.code : "internal", reasonOf(thrown));
    }
  }

  close(detail: string): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { request } of this.#all.values()) this.#fail(request, "unavailable", detail);
    this.#all.clear();
  }

  #ask(id: number): void {
    const attempt = ++this.#lastAttempt;
    this.#attempts.set(attempt, id);
    this.options.ask(attempt);
  }

  #fail(request: number, code: string, detail: string): void {
    this.options.answer({ kind: "failed", request, code, detail });
  }

  #arm(due_ms: number): void {
    if (this.#closed || due_ms >= this.#timerDue_ms) return;
    this.#timer?.cancel();
    this.#timerDue_ms = due_ms;
    const delay_ms = Math.max(0, due_ms - this.options.clock.now_ms());
    this.#timer = this.options.clock.after(delay_ms, () => this.#check());
  }

  #check(): void {
    this.#timerDue_ms = Infinity;
    const now_ms = this.options.clock.now_ms();
    for (let next = this.#deadlines.peek(); next; next = this.#deadlines.peek()) {
      const read = this.#all.get(next.id);
      if (read && next.due_ms > now_ms) break;
      this.#deadlines.pop();
      if (!read) continue;
      this.#all.delete(next.id);
      this.#waiting.delete(next.id);
      this.#fail(read.request, "no_quorum", `No majority confirmed the read within ${read.timeout_ms} ms`);
    }
    this.retry();
    const next = this.#deadlines.peek();
    if (next) this.#arm(this.#waiting.size > 0 ? Math.min(next.due_ms, now_ms + retry_ms) : next.due_ms);
  }
}
