/**
 * Consensus as main has it: questions to the raft thread, each with a deadline of main's own (the thread may hang
 * in its disk), the thread's status as it was last told, and where the other raft threads are.
 */
import { unreachable } from "../../base/assert.ts";
import { CaxtonError, isErrorCode } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { Thread } from "../../ports/threads.ts";
import {
  type Committed,
  commandLimit_bytes,
  type Consensus,
  type ConsensusStats,
  type ConsensusStatus,
  type Consistency,
  type MemberChange,
  queryLimit_bytes,
  type ReadAnswer,
  type StateCheck,
} from "./consensus.ts";
import type { ConsensusAnswer, ConsensusRequest } from "./requests.ts";
import type { CutOrder } from "../network-cut.ts";
import type { LogInspection } from "./log-inspection.ts";
import type { FromRaft, OpenConsensus, RaftCertificate, ToRaft } from "./thread-protocol.ts";
import type { FromLease, ToLease } from "../leases/node-lease.ts";

/** The thread answers at the time-out; so much later it is held to hang. */
const grace_ms = 100;
const statsTimeout_ms = 2_000;
const stopTimeout_ms = 2_000;
const questionsLimit = 32_768;
/**
 * Each message wakes the thread, which costs as much as several questions. Where it has so many already, the next ones
 * go together: when it answers, or after so long.
 */
const manyQuestions = 8;
const gather_ms = 1;

export interface ConsensusThreadOptions {
  readonly open: OpenConsensus;
  readonly clock: Clock;
  /** Runs the callback at the end of the loop's turn: what is asked until then goes to the thread together. */
  readonly soon: (callback: () => void) => void;
  readonly spawn: () => Thread<FromRaft, ToRaft>;
  /** The thread has (another) identity: to be told in the gossip tags. */
  readonly opened: (local: Address, identity: number, rebuilt: string | null) => void;
  /** A peer was turned away, or turned this node away. */
  readonly refused: (source: string, reason: string) => void;
  /** Of leases: for `NodeLeases`. */
  readonly leaseTold: (message: FromLease) => void;
  /** The thread ended by itself: the node cannot go on. */
  readonly failed: (error: CaxtonError) => void;
}

interface Question {
  readonly resolve: (answer: ConsensusAnswer) => void;
  readonly reject: (error: CaxtonError) => void;
  readonly deadline: Timer;
}

/** Distributes over the union. */
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
type Asked = Without<ConsensusRequest, "request">;

export class ConsensusThread implements Consensus {
  readonly self: NodeId;
  readonly #questions = new Map<number, Question>();
  readonly #handlers = new Set<(status: ConsensusStatus) => void>();
  readonly #stopped = Promise.withResolvers<void>();
  #asked: ConsensusRequest[] = [];
  /** What was asked waits for it. */
  #gathering: Timer | undefined;
  #last = 0;
  #status: ConsensusStatus;
  #stopping = false;
  #opened = false;

  /** Starts the thread; resolves when its files are open and its port is bound. Throws what opening them throws. */
  static async start(options: ConsensusThreadOptions): Promise<ConsensusThread> {
    const thread = options.spawn();
    const opened = Promise.withResolvers<void>();
    const consensus = new ConsensusThread(options, thread, opened);
    thread.post({ kind: "open", open: options.open });
    await opened.promise;
    return consensus;
  }

  private constructor(
    private readonly options: ConsensusThreadOptions,
    private readonly thread: Thread<FromRaft, ToRaft>,
    private readonly opened: Pick<PromiseWithResolvers<void>, "resolve" | "reject">,
  ) {
    this.self = options.open.self;
    this.#status = unknownStatus(this.self);
    thread.receive((message) => this.#receive(message));
    thread.ended((error) => this.#ended(error));
  }

  async propose(command: Uint8Array, { timeout_ms }: { readonly timeout_ms: number }): Promise<Committed> {
    if (command.length > commandLimit_bytes) {
      throw new CaxtonError(
        "payload_too_large",
        `A command of ${command.length} bytes is beyond the limit of ${commandLimit_bytes}`,
      );
    }
    const answer = await this.#ask({ kind: "propose", command, timeout_ms }, "outcome_unknown");
    if (answer.kind !== "committed") throw unexpected(answer);
    return { index: answer.index, term: answer.term, outcome: answer.outcome };
  }

  async read(
    query: Uint8Array,
    { consistency, timeout_ms }: { readonly consistency: Consistency; readonly timeout_ms: number },
  ): Promise<ReadAnswer> {
    if (query.length > queryLimit_bytes) {
      throw new CaxtonError(
        "payload_too_large",
        `A query of ${query.length} bytes is beyond the limit of ${queryLimit_bytes}`,
      );
    }
    const answer = await this.#ask({ kind: "read", query, consistency, timeout_ms }, "no_quorum");
    if (answer.kind !== "read") throw unexpected(answer);
    return { bytes: answer.bytes, appliedIndex: answer.appliedIndex };
  }

  status(): ConsensusStatus {
    return this.#status;
  }

  onStatus(handler: (status: ConsensusStatus) => void): () => void {
    this.#handlers.add(handler);
    return () => void this.#handlers.delete(handler);
  }

  async transferLeadership(
    to: NodeId | null,
    { timeout_ms }: { readonly timeout_ms: number },
  ): Promise<NodeId> {
    const answer = await this.#ask({ kind: "transfer", to, timeout_ms }, "timeout");
    if (answer.kind !== "transferred") throw unexpected(answer);
    return answer.to;
  }

  async changeMembership(
    changes: readonly MemberChange[],
    { timeout_ms }: { readonly timeout_ms: number },
  ): Promise<{ readonly index: number }> {
    const answer = await this.#ask({ kind: "membership", changes, timeout_ms }, "timeout");
    if (answer.kind !== "changed") throw unexpected(answer);
    return { index: answer.index };
  }

  async check({ timeout_ms }: { readonly timeout_ms: number }): Promise<StateCheck> {
    const answer = await this.#ask({ kind: "check", timeout_ms }, "timeout");
    if (answer.kind !== "checked") throw unexpected(answer);
    return answer.check;
  }

  async inspect(from: number, { timeout_ms }: { readonly timeout_ms: number }): Promise<LogInspection> {
    const answer = await this.#ask({ kind: "inspect", from, timeout_ms }, "timeout");
    if (answer.kind !== "inspected") throw unexpected(answer);
    return answer.inspection;
  }

  async compact({ timeout_ms }: { readonly timeout_ms: number }): Promise<number> {
    const answer = await this.#ask({ kind: "compact", timeout_ms }, "timeout");
    if (answer.kind !== "compacted") throw unexpected(answer);
    return answer.index;
  }

  async stats(): Promise<ConsensusStats> {
    const answer = await this.#ask({ kind: "stats", timeout_ms: statsTimeout_ms }, "timeout");
    if (answer.kind !== "stats") throw unexpected(answer);
    return answer.stats;
  }

  /** Ends what waits for a leader or for its answer, each with what is true of it: this node is cut off. */
  async giveUp(): Promise<void> {
    const answer = await this.#ask({ kind: "give_up", timeout_ms: statsTimeout_ms }, "timeout");
    if (answer.kind !== "given_up") throw unexpected(answer);
  }

  hint(node: NodeId, bootEpoch: number | null): void {
    this.thread.post({ kind: "hint", node, boot: bootEpoch });
  }

  setAddress(node: NodeId, address: Address | undefined): void {
    this.thread.post({ kind: "address", node, address: address ?? null });
  }

  /** The longest round trip to another voter, as measured: time-outs are never below ten of it. */
  setRoundTrip(roundTrip_ms: number): void {
    this.thread.post({ kind: "round-trip", roundTrip_ms });
  }

  setIdentity(identity: RaftCertificate): void {
    this.thread.post({ kind: "identity", identity });
  }

  askLease(ask: ToLease): void {
    this.thread.post({ kind: "lease", ask });
  }

  /** For a drill: the raft threads there and this one do not reach each other for that time. */
  cut(order: CutOrder): void {
    this.thread.post({ kind: "cut", order });
  }

  /** This node begins the cluster: its log gets the first configuration, if it is new. */
  found(): void {
    this.thread.post({ kind: "found" });
  }

  /** Begins anew, without its log and state; the others give it everything again. It must have no vote then. */
  rebuild(reason: string): void {
    this.thread.post({ kind: "rebuild", reason });
  }

  async stop(deadline_ms: number): Promise<void> {
    if (!this.#stopping) {
      if (deadline_ms > 0 && this.#status.role === "leader" && this.#status.voters > 1) {
        // In order, when it can be had: the others then need no time-out to go on.
        await this.transferLeadership(null, { timeout_ms: deadline_ms }).catch(() => undefined);
      }
      this.#stopping = true;
      this.thread.post({ kind: "stop" });
      this.options.clock.after(stopTimeout_ms, () => this.#stopped.resolve());
    }
    await this.#stopped.promise;
    this.#rejectAll(new CaxtonError("unavailable", "The node is stopping"));
    await this.thread.terminate();
  }

  /** `late` is the code when the thread itself is silent. */
  #ask(asked: Asked, late: "outcome_unknown" | "no_quorum" | "timeout"): Promise<ConsensusAnswer> {
    if (this.#stopping) return Promise.reject(new CaxtonError("unavailable", "The node is stopping"));
    if (this.#questions.size >= questionsLimit) {
      return Promise.reject(new CaxtonError("too_many_requests", "Too many requests to the raft thread"));
    }
    const request = ++this.#last;
    return new Promise((resolve, reject) => {
      const deadline = this.options.clock.after(asked.timeout_ms + grace_ms, () => {
        this.#questions.delete(request);
        const detail = `The raft thread did not answer within ${asked.timeout_ms} ms: is its disk well?`;
        reject(new CaxtonError(late, detail));
      });
      this.#questions.set(request, { resolve, reject, deadline });
      this.#asked.push({ ...asked, request });
      if (this.#asked.length === 1) this.#postSoon();
    });
  }

  #postSoon(): void {
    if (this.#questions.size <= manyQuestions) this.options.soon(() => this.#post());
    else this.#gathering = this.options.clock.after(gather_ms, () => this.#post());
  }

  #post(): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    const requests = this.#asked;
    this.#asked = [];
    this.thread.post({ kind: "ask", requests });
  }

  #receive(message: FromRaft): void {
    switch (message.kind) {
      case "opened":
        this.#opened = true;
        this.options.opened(message.local, message.identity, message.rebuilt);
        this.opened.resolve();
        return;
      case "unopened": {
        const error = new CaxtonError(isErrorCode(message.code) ? message.code : "internal", message.detail);
        this.#ended(error);
        return;
      }
      case "status":
        this.#tell(message.status, message.changed);
        return;
      case "answers":
        for (const answer of message.answers) this.#answered(answer);
        if (this.#gathering !== undefined) this.#post();
        return;
      case "refused":
        this.options.refused(message.source, message.reason);
        return;
      case "lease":
        this.options.leaseTold(message.tell);
        return;
      case "stopped":
        this.#stopped.resolve();
        return;
      default:
        unreachable(message);
    }
  }

  #tell(status: ConsensusStatus, changed: boolean): void {
    this.#status = status;
    if (!changed) return;
    for (const handler of this.#handlers) handler(status);
  }

  #answered(answer: ConsensusAnswer): void {
    const question = this.#questions.get(answer.request);
    if (!question) return;
    this.#questions.delete(answer.request);
    question.deadline.cancel();
    if (answer.kind === "failed") {
      const code = isErrorCode(answer.code) ? answer.code : "internal";
      question.reject(new CaxtonError(code, answer.detail));
    } else question.resolve(answer);
  }

  #ended(error: Error | undefined): void {
    this.#stopped.resolve();
    if (this.#stopping) return;
    this.#stopping = true;
    const failure =
      error instanceof CaxtonError
        ? error
        : new CaxtonError("internal", `The raft thread failed: ${error?.message ?? "it ended"}`, {
            cause: error,
          });
    this.opened.reject(failure);
    this.#rejectAll(failure);
    if (this.#opened) this.options.failed(failure);
  }

  #rejectAll(error: CaxtonError): void {
    this.#gathering?.cancel();
    this.#gathering = undefined;
    for (const { reject, deadline } of this.#questions.values()) {
      deadline.cancel();
      reject(error);
    }
    this.#questions.clear();
  }
}

function unexpected(answer: ConsensusAnswer): CaxtonError {
  return new CaxtonError("internal", `The raft thread answered "${answer.kind}" to another question`);
}

function unknownStatus(self: NodeId): ConsensusStatus {
  return {
    self,
    role: "follower",
    standing: null,
    identity: 0,
    leader: null,
    term: 0,
    commit: 0,
    applied: 0,
    last: 0,
    compacted: 0,
    members: [],
    joint: false,
    ready: false,
    quorum: false,
    votersReached: 0,
    watched: 0,
    voters: 0,
    trouble: null,
  };
}
