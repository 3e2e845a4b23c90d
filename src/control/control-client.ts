/**
 * A node's way to the control state: commands that take effect once, however often they have to be sent, and
 * queries. It holds a session in the state; after an answer that was lost it sends the same command
 * again under the same number. What commands mean is said in `kv-store.ts` and its neighbours.
 */
import { CaxtonError } from "../base/errors.ts";
import type { Clock } from "../ports/clock.ts";
import { controlCommands } from "../wire/control-kinds.ts";
import {
  type ControlOutcome,
  type SessionMark,
  decodeOutcome,
  encodeControlCommand,
  encodeControlQuery,
} from "../wire/control-command.ts";
import { WireError } from "../wire/cursor.ts";

export type Consistency = "linearizable" | "local";

/** The part of consensus that is needed here; see `cluster/consensus/consensus.ts` for what it throws. */
export interface ControlLog {
  propose(
    command: Uint8Array,
    options: { readonly timeout_ms: number },
  ): Promise<{ readonly index: number; readonly outcome: Uint8Array }>;
  read(
    query: Uint8Array,
    options: { readonly consistency: Consistency; readonly timeout_ms: number },
  ): Promise<{ readonly bytes: Uint8Array; readonly appliedIndex: number }>;
}

export interface CommandRequest {
  readonly kind: number;
  readonly body: Uint8Array;
  /** Who asks; empty for the cluster itself. */
  readonly principal: string;
  readonly idempotencyKey: string | null;
}

export interface CommandDone {
  readonly index: number;
  readonly outcome: ControlOutcome;
}

export type Patience = (what: "command" | "query") => number;

/** Below the window of a session, so that the state never has to refuse for that. */
const outstanding_max = 1_000;
/** Tries under one number; each waits for a leader by itself. */
const tries_max = 50;
/** A try with less time than this is not begun. */
const tryTime_ms_min = 20;

export class ControlClient {
  readonly #log: ControlLog;
  readonly #clock: Clock;
  readonly #patience_ms: Patience;
  readonly #cutOff: () => boolean;
  readonly #outstanding = new Set<number>();
  #session: Promise<number> | null = null;
  #sequence = 0;
  /** The newest entry that an answer contained. */
  #seen = 0;

  /**
   * `patience_ms` is asked at each request: how long it waits for a leader and tries again. While the node is `cutOff`
   * nothing is tried again: nobody would hear of it in time.
   */
  constructor(log: ControlLog, clock: Clock, patience_ms: Patience, cutOff: () => boolean = () => false) {
    this.#log = log;
    this.#clock = clock;
    this.#patience_ms = patience_ms;
    this.#cutOff = cutOff;
  }

  /**
   * The command's outcome. Throws `no_quorum` (nothing happened), `outcome_unknown` (it may have), `queue_full`,
   * and what the state refuses commands with before they are proposed.
   */
  async command(request: CommandRequest): Promise<CommandDone> {
    if (this.#outstanding.size >= outstanding_max) {
      throw new CaxtonError(
        "queue_full",
        `This node has ${outstanding_max} commands under way to the leader`,
      );
    }
    const end_ms = this.#clock.now_ms() + this.#patience_ms("command");
    const sequence = ++this.#sequence;
    this.#outstanding.add(sequence);
    try {
      return await this.#send(request, sequence, end_ms);
    } finally {
      this.#outstanding.delete(sequence);
    }
  }

  /**
   * An answer is never older than one before it: a replica that begins anew would show that everything is gone. Throws
   * `unavailable` then, and what the log throws.
   */
  async query(
    kind: number,
    body: Uint8Array,
    consistency: Consistency,
  ): Promise<{ readonly bytes: Uint8Array; readonly appliedIndex: number }> {
    const seen = this.#seen;
    const answer = await this.#log.read(encodeControlQuery(kind, body), {
      consistency,
      timeout_ms: this.#patience_ms("query"),
    });
    if (answer.appliedIndex < seen) {
      throw new CaxtonError(
        "unavailable",
        `The control state here is at entry ${answer.appliedIndex} again and was at ${seen}: it is being caught up`,
      );
    }
    this.#seen = Math.max(this.#seen, answer.appliedIndex);
    return answer;
  }

  async #send(request: CommandRequest, sequence: number, end_ms: number): Promise<CommandDone> {
    let unknown: CaxtonError | undefined;
    for (let tries = 1; ; tries++) {
      const done = await this.#try(request, sequence, end_ms, unknown);
      if (done !== null && !(done instanceof CaxtonError)) return done;
      unknown ??= done ?? undefined;
      const late = end_ms - this.#clock.now_ms() < tryTime_ms_min || this.#cutOff();
      if (tries >= tries_max || late) {
        throw unknown ?? new CaxtonError("unavailable", "The control state keeps ending this node's session");
      }
    }
  }

  /** One try: the outcome; the error when it is not known; null when the session was gone and nothing happened. */
  async #try(
    request: CommandRequest,
    sequence: number,
    end_ms: number,
    unknown: CaxtonError | undefined,
  ): Promise<CommandDone | CaxtonError | null> {
    const opened = (this.#session ??= this.#open(end_ms));
    let done: CommandDone;
    try {
      const session = await opened;
      done = await this.#propose(request, { session, sequence, floor: this.#floor() }, end_ms);
    } catch (error) {
      if (error instanceof CaxtonError && error.code === "outcome_unknown") return error;
      throw unknown ?? error;
    }
    if (done.outcome.status !== "session_unknown") return done;
    if (this.#session === opened) this.#session = null;
    // The session ended, and with it the memory of whether an earlier try took effect.
    if (unknown !== undefined) throw unknown;
    return null;
  }

  /** Below, this node knows the answers of all. */
  #floor(): number {
    for (const oldest of this.#outstanding) return oldest;
    return this.#sequence + 1;
  }

  async #open(end_ms: number): Promise<number> {
    try {
      const request = {
        kind: controlCommands.sessionOpen,
        body: new Uint8Array(),
        principal: "",
        idempotencyKey: null,
      };
      const { outcome } = await this.#propose(request, null, end_ms);
      if (outcome.status === "done") return outcome.value;
      throw new CaxtonError("too_many_requests", `The control state holds ${outcome.value} sessions already`);
    } catch (error) {
      this.#session = null;
      // An answer that was lost leaves at most a session that nobody uses, which expires.
      if (error instanceof CaxtonError && error.code === "outcome_unknown") {
        throw new CaxtonError("no_quorum", "The leader was lost before this node's session was open", {
          cause: error,
        });
      }
      throw error;
    }
  }

  async #propose(
    { kind, body, principal, idempotencyKey }: CommandRequest,
    session: SessionMark | null,
    end_ms: number,
  ): Promise<CommandDone> {
    const command = encodeControlCommand({ kind, version: 1, principal, session, idempotencyKey, body });
    const timeout_ms = Math.max(1, end_ms - this.#clock.now_ms());
    const { index, outcome } = await this.#log.propose(command, { timeout_ms });
    try {
      return { index, outcome: decodeOutcome(outcome) };
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      throw new CaxtonError("internal", `The control state gave no outcome: ${error.message}`, {
        cause: error,
      });
    }
  }
}
