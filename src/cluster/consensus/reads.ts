/** Linearizable reads on their way: asked of the core, tried again after a change of leader, answered or late. Bounded. */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ReadResult } from "../../raft/effects.ts";
import { Deadlines } from "./deadlines.ts";
import type { ConsensusAnswer } from "./requests.ts";

const readsLimit = 16_384;

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
  readonly #deadlines: Deadlines;
  #lastId = 0;
  #lastAttempt = 0;
  answered = 0;

  constructor(private readonly options: ReadsOptions) {
    this.#deadlines = new Deadlines({
      clock: options.clock,
      isOpen: (id) => this.#all.has(id),
      late: (id) => this.#late(id),
      anyWaits: () => this.#waiting.size > 0,
      retry: () => this.retry(),
    });
  }

  add(request: number, query: Uint8Array, timeout_ms: number): void {
    if (this.#all.size >= readsLimit) {
      this.#fail(request, "too_many_requests", "Too many reads wait on this node; try again later");
      return;
    }
    const id = ++this.#lastId;
    const due_ms = this.options.clock.now_ms() + timeout_ms;
    this.#all.set(id, { request, query, timeout_ms, due_ms });
    this.#deadlines.add(id, due_ms);
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
      this.#deadlines.retrySoon();
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

  /** This node is cut off: nobody waits any longer. */
  giveUp(): void {
    for (const { request } of this.#all.values())
      this.#fail(request, "no_quorum", "No majority confirmed the read: this node is cut off");
    this.#all.clear();
    this.#waiting.clear();
  }

  close(detail: string): void {
    this.#deadlines.close();
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

  #late(id: number): void {
    const read = this.#all.get(id);
    if (!read) return;
    this.#all.delete(id);
    this.#waiting.delete(id);
    this.#fail(read.request, "no_quorum", `No majority confirmed the read within ${read.timeout_ms} ms`);
  }
}
