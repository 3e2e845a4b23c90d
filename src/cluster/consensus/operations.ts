/** Changes of members and transfers of leadership that wait for their end at the core. Few; only a leader does them. */
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { type Configuration, nodeOf, votes } from "../../raft/configuration.ts";
import type { MembershipResult, RaftInput, TransferResult } from "../../raft/effects.ts";
import type { RaftStatus } from "../../raft/status.ts";
import type { ConsensusAnswer, ConsensusRequest } from "./requests.ts";
import { membersAfter } from "./status.ts";

type Operation = Extract<ConsensusRequest, { kind: "transfer" | "membership" }>;

const operationsLimit = 64;

export interface OperationsOptions {
  readonly clock: Clock;
  readonly input: (input: RaftInput) => void;
  readonly answer: (answer: ConsensusAnswer) => void;
}

const reasons: Readonly<Record<string, string>> = {
  "not-leader": "this node does not lead any more",
  "not-ready": "the leader has not committed anything of its term yet",
  pending: "another change of members is under way",
  transferring: "leadership is being transferred",
  "no-voters": "no voter would be left",
  "too-many": "there would be too many members or voters",
  "role-change": "a witness becomes a voter, or a voter a witness, only by leaving first",
  "not-caught-up": "a learner is too far behind to vote",
  invalid: "it is not a sound list of members",
  "no-target": "no voter that could lead is in reach",
  "lease-reads": "lease reads are in use",
};

export class Operations {
  readonly #waiting = new Map<number, { readonly request: number; readonly deadline: Timer }>();
  #last = 0;

  constructor(private readonly options: OperationsOptions) {}

  start(operation: Operation, raft: RaftStatus): void {
    try {
      this.#begin(operation, raft);
    } catch (thrown) {
      if (!(thrown instanceof CaxtonError)) throw thrown;
      this.#fail(operation.request, thrown.code, thrown.message);
    }
  }

  membershipEnded(id: number, result: MembershipResult): void {
    const request = this.#take(id);
    if (request === undefined) return;
    if (result.kind === "changed") this.options.answer({ kind: "changed", request, index: result.index });
    else if (result.kind === "unknown") {
      const detail = "Leadership ended while the members were changed: look at the status whether they were";
      this.#fail(request, "outcome_unknown", detail);
    } else this.#fail(request, "conflict", `The members were not changed: ${reasons[result.reason] ?? ""}`);
  }

  transferEnded(id: number, result: TransferResult): void {
    const request = this.#take(id);
    if (request === undefined) return;
    if (result.kind === "transferred")
      this.options.answer({ kind: "transferred", request, to: nodeOf(result.to) });
    else if (result.kind === "timeout")
      this.#fail(request, "timeout", "Nobody took leadership over in time; this node goes on");
    else this.#fail(request, "conflict", `Leadership was not transferred: ${reasons[result.reason] ?? ""}`);
  }

  close(): void {
    for (const { request, deadline } of this.#waiting.values()) {
      deadline.cancel();
      this.#fail(request, "unavailable", "This node is stopping");
    }
    this.#waiting.clear();
  }

  #begin(operation: Operation, raft: RaftStatus): void {
    if (raft.role !== "leader") {
      const where = raft.leader === null ? "nobody leads now" : `"${nodeOf(raft.leader)}" does`;
      throw new CaxtonError(
        raft.leader === null ? "no_quorum" : "conflict",
        `This node does not lead: ${where}`,
      );
    }
    if (this.#waiting.size >= operationsLimit)
      throw new CaxtonError("too_many_requests", "Too many changes of leader or members wait");
    const { input, clock } = this.options;
    const change: RaftInput =
      operation.kind === "membership"
        ? {
            kind: "change-membership",
            id: ++this.#last,
            members: membersAfter(raft.configuration.members, operation.changes),
          }
        : {
            kind: "transfer",
            id: ++this.#last,
            to: operation.to === null ? null : voterOf(raft.configuration, operation.to),
          };
    const id = this.#last;
    const deadline = clock.after(operation.timeout_ms, () => {
      this.#waiting.delete(id);
      const detail = `It did not end within ${operation.timeout_ms} ms and may yet happen: look at the status`;
      this.#fail(operation.request, "timeout", detail);
    });
    this.#waiting.set(id, { request: operation.request, deadline });
    input(change);
  }

  #take(id: number): number | undefined {
    const found = this.#waiting.get(id);
    this.#waiting.delete(id);
    found?.deadline.cancel();
    return found?.request;
  }

  #fail(request: number, code: string, detail: string): void {
    this.options.answer({ kind: "failed", request, code, detail });
  }
}

function voterOf(configuration: Configuration, node: NodeId) {
  const found = configuration.members.find(({ id }) => nodeOf(id) === node);
  if (found === undefined || !votes(configuration, found.id))
    throw new CaxtonError("conflict", `Node "${node}" is no voter`);
  return found.id;
}
