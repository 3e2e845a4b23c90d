/**
 * Leases as the rest of a node sees them: whether this node may act now, and, where it leads, whose agents may be
 * given to others. `NodeLeases` is both, on main; the raft thread does the work (lease-driver.ts).
 */
import { assert, unreachable } from "../../base/assert.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { LeaseAges } from "../../ownership/lease-silence.ts";
import type { LeaseRefusal } from "../../wire/lease-frame.ts";
import type { BootClock } from "../../ports/boot-clock.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { LeaseGate } from "./cell.ts";

/** This node's own lease. */
export interface NodeLease {
  /** Whether this node may let an effect out right now. Cheap: one look at shared memory and one at the clock. */
  holds(): boolean;
  /** Told when it is lost and when it is back: then the control state here has applied what was assigned meanwhile. */
  subscribe(listener: (held: boolean) => void): () => void;
  /**
   * Work that must be done before a new tenure counts: agents that were given to others while nothing was held must
   * stop here before anything of theirs gets out. After a failure the node stays parked, and it is tried again.
   */
  beforeHeld(prepare: () => Promise<void>): () => void;
  /** For agent threads, which look by themselves (lease-cell.ts). */
  readonly cell: SharedArrayBuffer;
  /** The tenure that counts at present, to be told to agent threads; 0 before the first. */
  readonly tenure: number;
  readonly stats: LeaseStats;
  /** Told of each refusal: the leader hears this node, and grants it nothing. */
  onRefused(listener: (refused: RefusedLease) => void): () => void;
}

export interface LeaseStats {
  readonly held: boolean;
  /** Times that it was lost. */
  readonly losses: number;
  /** How long nothing has been held, ms; 0 while it is held. */
  readonly without_ms: number;
  /** How long nothing was held before it was held again last, ms. */
  readonly gap_ms: number;
  /** Of the time since then: what the leader said last; null while it is held, and where nobody has answered. */
  readonly refused: RefusedLease | null;
}

/** The leader's side, asked on main. */
export interface LeaseAuthority {
  /**
   * Whether what is assigned to the node may be given to others now. Rejects `not_leader` when this node does not lead.
   * After a yes the node gets no lease until `admit`, for 15 s at most: so what is proposed with it is in the log first.
   */
  mayReassign(node: NodeId, boot: number): Promise<boolean>;
  /**
   * The same, with the term of the permission, null when there is none. It is this leader's alone: an entry that
   * reaches the log in another term has no permission, so what is proposed should name the term and be refused then.
   */
  permission(node: NodeId, boot: number): Promise<{ readonly term: number } | null>;
  /** How old the leases are that this leader has granted, in its term; null where it does not lead. */
  ages(): Promise<LeaseAges | null>;
  /** A death certificate was heard, or the node registered in a newer life. */
  ended(node: NodeId, boot: number): void;
  /** No more grants: it drains. */
  bar(node: NodeId): void;
  admit(node: NodeId): void;
}

export type ToLease =
  | { readonly kind: "permit"; readonly request: number; readonly node: NodeId; readonly boot: number }
  | { readonly kind: "ages"; readonly request: number }
  | { readonly kind: "ended"; readonly node: NodeId; readonly boot: number }
  | { readonly kind: "bar" | "admit"; readonly node: NodeId };

/** What the raft thread tells of this node's own lease unasked. */
export type LeaseNews =
  /** Nothing was held, and now something is. */
  { readonly kind: "began"; readonly tenure: number } | ({ readonly kind: "refused" } & RefusedLease);

/** A renewal arrived at the leader and was not granted. */
export interface RefusedLease {
  readonly leader: NodeId;
  /** `term`: it is asked for less from now on, `ttl_ms`, the most that it grants. */
  readonly why: LeaseRefusal;
  readonly ttl_ms: number;
}

export type FromLease =
  | LeaseNews
  /** `term` is null without permission. */
  | {
      readonly kind: "permitted";
      readonly request: number;
      readonly leads: boolean;
      readonly term: number | null;
    }
  | { readonly kind: "aged"; readonly request: number; readonly ages: LeaseAges | null };

/** Preparations that failed are tried again after this. */
const again_ms = 500;
/** After a loss the cell is looked at so often, beside what the raft thread tells. */
const look_ms = 100;
const questionsLimit = 10_000;
/** The raft thread hangs in its disk, perhaps. */
const question_ms = 2_000;

export interface NodeLeasesOptions {
  readonly cell: SharedArrayBuffer;
  readonly clock: Clock;
  readonly bootClock: BootClock;
  readonly post: (message: ToLease) => void;
  /** Preparations of a new tenure failed. */
  readonly failed: (what: string, reason: string) => void;
}

type Answer = Extract<FromLease, { readonly request: number }>;

interface Question {
  readonly resolve: (answer: Answer) => void;
  readonly deadline: Timer;
}

export class NodeLeases implements NodeLease, LeaseAuthority {
  readonly cell: SharedArrayBuffer;
  readonly #options: NodeLeasesOptions;
  readonly #gate: LeaseGate;
  readonly #listeners = new Set<(held: boolean) => void>();
  readonly #refusedListeners = new Set<(refused: RefusedLease) => void>();
  #refused: RefusedLease | null = null;
  readonly #preparations = new Set<() => Promise<void>>();
  readonly #questions = new Map<number, Question>();
  #lastQuestion = 0;
  #held = false;
  #losses = 0;
  #lostAt_ms: number;
  #gap_ms = 0;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: NodeLeasesOptions) {
    this.#options = options;
    this.cell = options.cell;
    this.#gate = new LeaseGate(options.cell, options.bootClock);
    this.#lostAt_ms = options.bootClock.now_ms();
  }

  get tenure(): number {
    return this.#gate.admitted;
  }

  get stats(): LeaseStats {
    const held = this.holds();
    const without_ms = held ? 0 : Math.max(0, this.#options.bootClock.now_ms() - this.#lostAt_ms);
    const refused = held ? null : this.#refused;
    return { held, losses: this.#losses, without_ms, gap_ms: this.#gap_ms, refused };
  }

  holds(): boolean {
    return this.#gate.holds();
  }

  subscribe(listener: (held: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  beforeHeld(prepare: () => Promise<void>): () => void {
    this.#preparations.add(prepare);
    return () => void this.#preparations.delete(prepare);
  }

  onRefused(listener: (refused: RefusedLease) => void): () => void {
    this.#refusedListeners.add(listener);
    return () => void this.#refusedListeners.delete(listener);
  }

  async mayReassign(node: NodeId, boot: number): Promise<boolean> {
    return (await this.permission(node, boot)) !== null;
  }

  async permission(node: NodeId, boot: number): Promise<{ readonly term: number } | null> {
    const answer = await this.#ask((request) => ({ kind: "permit", request, node, boot }));
    assert(answer.kind === "permitted", "each question has its own kind of answer");
    const { leads, term } = answer;
    if (!leads) throw new CaxtonError("not_leader", "This node does not lead: ask the leader about leases");
    return term === null ? null : { term };
  }

  async ages(): Promise<LeaseAges | null> {
    const answer = await this.#ask((request) => ({ kind: "ages", request }));
    assert(answer.kind === "aged", "each question has its own kind of answer");
    return answer.ages;
  }

  ended(node: NodeId, boot: number): void {
    this.#options.post({ kind: "ended", node, boot });
  }

  bar(node: NodeId): void {
    this.#options.post({ kind: "bar", node });
  }

  admit(node: NodeId): void {
    this.#options.post({ kind: "admit", node });
  }

  /** What the raft thread says. */
  told(message: FromLease): void {
    switch (message.kind) {
      case "began":
        this.#lost(this.#gate.ended_ms);
        void this.#prepare(message.tenure);
        return;
      case "refused":
        this.#refused = message;
        for (const listener of this.#refusedListeners) listener(message);
        return;
      case "permitted":
      case "aged": {
        const question = this.#questions.get(message.request);
        this.#questions.delete(message.request);
        question?.deadline.cancel();
        question?.resolve(message);
        return;
      }
      default:
        unreachable(message);
    }
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const { deadline } of this.#questions.values()) deadline.cancel();
  }

  /** Before the new tenure counts: who was stopped here meanwhile lets nothing out any more. */
  async #prepare(tenure: number): Promise<void> {
    try {
      await Promise.all([...this.#preparations].map((prepare) => prepare()));
    } catch (error) {
      if (this.#closed) return;
      this.#options.failed("make ready for the node's lease", reasonOf(error));
      this.#options.clock.after(again_ms, () => {
        if (!this.#closed && this.#gate.tenure === tenure) void this.#prepare(tenure);
      });
      return;
    }
    if (this.#closed || this.#gate.tenure !== tenure || !this.#gate.isGranted()) return;
    this.#gate.admit(tenure);
    this.#regained();
  }

  #regained(): void {
    this.#held = true;
    this.#refused = null;
    this.#gap_ms = Math.max(0, this.#options.bootClock.now_ms() - this.#lostAt_ms);
    for (const listener of this.#listeners) listener(true);
    this.#watch();
  }

  #watch(): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    const left_ms = this.#gate.remaining_ms();
    if (left_ms > 0 && !this.#held) return this.#regained();
    if (left_ms === 0) this.#lost(this.#gate.until_ms);
    // A renewal may come to the cell while it is looked at, in the same tenure: so also after a loss.
    this.#timer = this.#options.clock.after(left_ms > 0 ? left_ms : look_ms, () => this.#watch());
  }

  #lost(at_ms: number): void {
    this.#timer?.cancel();
    if (!this.#held) return;
    this.#held = false;
    this.#losses++;
    this.#lostAt_ms = at_ms;
    // What was refused while it was held is not why.
    this.#refused = null;
    for (const listener of this.#listeners) listener(false);
  }

  #ask(question: (request: number) => ToLease): Promise<Answer> {
    if (this.#questions.size >= questionsLimit)
      return Promise.reject(new CaxtonError("too_many_requests", "Too many questions about leases at once"));
    const request = ++this.#lastQuestion;
    return new Promise((resolve, reject) => {
      const deadline = this.#options.clock.after(question_ms, () => {
        this.#questions.delete(request);
        reject(
          new CaxtonError("timeout", `The raft thread did not tell of a lease within ${question_ms} ms`),
        );
      });
      this.#questions.set(request, { resolve, deadline });
      this.#options.post(question(request));
    });
  }
}
