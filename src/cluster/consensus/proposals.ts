/**
 * Proposals on their way: given to the core, given back and tried again, standing in the log, applied. Says of each
 * at its end what is true: committed, certainly not, or not known. Bounded in count and bytes.
 */
import { quote } from "../../base/ids.ts";
import type { Clock } from "../../ports/clock.ts";
import { nodeOf } from "../../raft/configuration.ts";
import type { ProposalResult } from "../../raft/effects.ts";
import type { LogPosition } from "../../raft/entry.ts";
import { Deadlines } from "./deadlines.ts";
import type { ConsensusAnswer } from "./requests.ts";

const proposalsLimit = 16_384;
const proposalsLimit_bytes = 64 * 1024 * 1024;
/** Outcomes kept for proposals whose place in the log is told after they were applied here. */
const outcomesLimit = 4_096;
const outcomesLimit_bytes = 8 * 1024 * 1024;

interface Proposal {
  readonly request: number;
  readonly command: Uint8Array;
  readonly due_ms: number;
  readonly since_ms: number;
  /** `waiting`: nobody has it. `given`: the core does. `standing`: in the log at `position`. */
  state: "waiting" | "given" | "standing" | "over";
  position: LogPosition | null;
}

interface Outcome {
  readonly term: number;
  readonly outcome: Uint8Array;
}

export interface ProposalsOptions {
  readonly clock: Clock;
  /** Gives a command to the core as this attempt, soon; answered by `result` or `reject`. */
  readonly give: (attempt: number, command: Uint8Array) => void;
  readonly answer: (answer: ConsensusAnswer) => void;
  /** Whether it is worth trying: somebody leads. */
  readonly hasLeader: () => boolean;
}

export class Proposals {
  readonly #all = new Map<number, Proposal>();
  readonly #waiting = new Set<number>();
  /** Each try has an id of its own at the core. */
  readonly #attempts = new Map<number, number>();
  /** By index: more than one where leaders of several terms gave the same place away. */
  readonly #standing = new Map<number, readonly number[]>();
  readonly #outcomes = new Map<number, Outcome>();
  readonly #deadlines: Deadlines;
  readonly #commit_ms: number[] = [];
  #bytes = 0;
  #outcomeBytes = 0;
  #lastId = 0;
  #lastAttempt = 0;
  proposed = 0;
  failed = 0;

  constructor(private readonly options: ProposalsOptions) {
    this.#deadlines = new Deadlines({
      clock: options.clock,
      isOpen: (id) => this.#all.has(id),
      late: (id) => this.#late(id),
      anyWaits: () => this.#waiting.size > 0,
      retry: () => this.retry(),
    });
  }

  get latencies_ms(): readonly number[] {
    return this.#commit_ms;
  }

  add(request: number, command: Uint8Array, timeout_ms: number): void {
    const { clock } = this.options;
    if (this.#all.size >= proposalsLimit || this.#bytes + command.length > proposalsLimit_bytes) {
      this.#refuse(request, "too_many_requests", "Too many proposals wait on this node; try again later");
      return;
    }
    const id = ++this.#lastId;
    const since_ms = clock.now_ms();
    const due_ms = since_ms + timeout_ms;
    this.#all.set(id, { request, command, due_ms, since_ms, state: "waiting", position: null });
    this.#bytes += command.length;
    this.#deadlines.add(id, due_ms);
    if (this.options.hasLeader()) this.#give(id);
    else this.#waiting.add(id);
  }

  /** A leader was found, or found again. */
  retry(): void {
    if (!this.options.hasLeader()) return;
    const ids = [...this.#waiting];
    this.#waiting.clear();
    for (const id of ids) this.#give(id);
  }

  /** Refused with a reason of the command itself: final. */
  reject(attempt: number, code: string, detail: string): void {
    const id = this.#attempts.get(attempt) ?? 0;
    this.#attempts.delete(attempt);
    const proposal = this.#all.get(id);
    if (proposal) this.#fail(id, proposal, code, detail);
  }

  result(attempt: number, result: ProposalResult): void {
    const id = this.#attempts.get(attempt) ?? 0;
    this.#attempts.delete(attempt);
    const proposal = this.#all.get(id);
    if (proposal?.state !== "given") {
      this.#dropOutcomes();
      return;
    }
    if (result.kind === "accepted") {
      const { position } = result;
      proposal.state = "standing";
      proposal.position = position;
      const known = this.#outcomes.get(position.index);
      if (known) this.#settle(id, proposal, known);
      else this.#standing.set(position.index, [...(this.#standing.get(position.index) ?? []), id]);
    } else if (result.kind === "unknown") {
      this.#fail(id, proposal, "outcome_unknown", unknownOutcome("the leader changed before it answered"));
    } else if (result.kind === "rejected") {
      const { by, code, detail } = result;
      this.#fail(
        id,
        proposal,
        code,
        `Node ${quote(nodeOf(by))}, which leads, refuses the command: ${detail}`,
      );
    } else if (result.reason === "too-large") {
      this.#fail(id, proposal, "payload_too_large", "The command is larger than the leader takes");
    } else if (result.reason === "stopped") {
      this.#fail(id, proposal, "unavailable", "This node takes no part in consensus any more");
    } else {
      proposal.state = "waiting";
      this.#waiting.add(id);
      this.#deadlines.retrySoon();
    }
  }

  applied(position: LogPosition, outcome: Uint8Array): void {
    const known = { term: position.term, outcome };
    const ids = this.#standing.get(position.index) ?? [];
    if (ids.length > 0) this.#standing.delete(position.index);
    let found = false;
    for (const id of ids) {
      const proposal = this.#all.get(id);
      if (!proposal) continue;
      found ||= proposal.position?.term === position.term;
      this.#settle(id, proposal, known);
    }
    // Its proposer may not have been told its place yet.
    if (!found && this.#attempts.size > 0) this.#keep(position.index, known);
  }

  /** A snapshot took the place of everything up to `index`: what stood there was perhaps applied, elsewhere. */
  skipped(index: number): void {
    for (const [at, ids] of this.#standing) {
      if (at > index) continue;
      this.#standing.delete(at);
      for (const id of ids) {
        const proposal = this.#all.get(id);
        if (proposal) this.#fail(id, proposal, "outcome_unknown", unknownOutcome("a snapshot overtook it"));
      }
    }
  }

  /** This node is cut off: nobody waits any longer. What stands in the log may yet be committed. */
  giveUp(): void {
    for (const [id, proposal] of this.#all) {
      if (proposal.state === "waiting")
        this.#fail(id, proposal, "no_quorum", "No leader took the command: nothing was done");
      else
        this.#fail(id, proposal, "outcome_unknown", unknownOutcome("this node is cut off from the majority"));
    }
  }

  /** Ends everything: nothing is answered by a commit after this. */
  close(detail: string): void {
    this.#deadlines.close();
    for (const [id, proposal] of this.#all) {
      if (proposal.state === "waiting") this.#fail(id, proposal, "unavailable", detail);
      else this.#fail(id, proposal, "outcome_unknown", unknownOutcome(detail));
    }
  }

  #give(id: number): void {
    const proposal = this.#all.get(id);
    if (proposal?.state !== "waiting") return;
    proposal.state = "given";
    const attempt = ++this.#lastAttempt;
    this.#attempts.set(attempt, id);
    this.options.give(attempt, proposal.command);
  }

  #settle(id: number, proposal: Proposal, { term, outcome }: Outcome): void {
    const index = proposal.position?.index ?? 0;
    if (term !== proposal.position?.term) {
      // Another entry was committed in its place: it can never be.
      this.#fail(
        id,
        proposal,
        "no_quorum",
        "The leader changed and the command was dropped: nothing was done",
      );
      return;
    }
    this.#end(id, proposal);
    this.proposed++;
    this.#commit_ms.push(this.options.clock.now_ms() - proposal.since_ms);
    if (this.#commit_ms.length > 512) this.#commit_ms.shift();
    this.options.answer({ kind: "committed", request: proposal.request, index, term, outcome });
  }

  #fail(id: number, proposal: Proposal, code: string, detail: string): void {
    if (proposal.position !== null) this.#leavePlace(proposal.position.index, id);
    this.#end(id, proposal);
    this.#refuse(proposal.request, code, detail);
  }

  #leavePlace(index: number, id: number): void {
    const others = this.#standing.get(index)?.filter((other) => other !== id) ?? [];
    if (others.length === 0) this.#standing.delete(index);
    else this.#standing.set(index, others);
  }

  #refuse(request: number, code: string, detail: string): void {
    this.failed++;
    this.options.answer({ kind: "failed", request, code, detail });
  }

  #end(id: number, proposal: Proposal): void {
    proposal.state = "over";
    this.#all.delete(id);
    this.#waiting.delete(id);
    this.#bytes -= proposal.command.length;
    this.#dropOutcomes();
  }

  #dropOutcomes(): void {
    if (this.#attempts.size > 0 || this.#outcomes.size === 0) return;
    this.#outcomes.clear();
    this.#outcomeBytes = 0;
  }

  #keep(index: number, outcome: Outcome): void {
    this.#outcomes.set(index, outcome);
    this.#outcomeBytes += outcome.outcome.length;
    for (const [oldest, { outcome: bytes }] of this.#outcomes) {
      if (this.#outcomes.size <= outcomesLimit && this.#outcomeBytes <= outcomesLimit_bytes) break;
      this.#outcomes.delete(oldest);
      this.#outcomeBytes -= bytes.length;
    }
  }

  #late(id: number): void {
    const proposal = this.#all.get(id);
    if (!proposal) return;
    const waited_ms = Math.round(proposal.due_ms - proposal.since_ms);
    if (proposal.state === "waiting") {
      const detail = `No leader took the command within ${waited_ms} ms: nothing was done`;
      this.#fail(id, proposal, "no_quorum", detail);
    } else {
      const detail = unknownOutcome(`no majority confirmed it within ${waited_ms} ms`);
      this.#fail(id, proposal, "outcome_unknown", detail);
    }
  }
}

function unknownOutcome(why: string): string {
  return `Whether the command was done is not known: ${why}. Ask again with the same session or Idempotency-Key`;
}
