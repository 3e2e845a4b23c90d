/** Where requests come in and answers go out: proposals, reads and operations, and what only looks at this participant. */
import { unreachable } from "../../base/assert.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { nodeOf, type RaftId } from "../../raft/configuration.ts";
import type { RaftEffect, RaftInput } from "../../raft/effects.ts";
import type { RaftStatus } from "../../raft/status.ts";
import type { ConsensusStats } from "./consensus.ts";
import { Operations } from "./operations.ts";
import { Proposals } from "./proposals.ts";
import { Reads } from "./reads.ts";
import type { ConsensusAnswer, DriverRequest } from "./requests.ts";
import type { ConsensusState } from "./state.ts";

export interface DeskOptions {
  readonly self: RaftId;
  readonly clock: Clock;
  readonly soon: (callback: () => void) => void;
  readonly state: ConsensusState;
  readonly raft: () => RaftStatus;
  /** Whether it is worth asking the core: somebody leads, or it says at once why not. */
  readonly hasLeader: () => boolean;
  /** This participant leads: it looks at commands when it stamps them. */
  readonly leads: () => boolean;
  /** Gives a command to the core, soon; answered by a `proposal` effect or `reject`. */
  readonly give: (id: number, command: Uint8Array) => void;
  readonly input: (input: RaftInput) => void;
  readonly answer: (answer: ConsensusAnswer) => void;
  /** What is counted elsewhere. */
  readonly counted: () => Omit<ConsensusStats, "proposals" | "proposalsFailed" | "reads" | "commit_ms">;
}

export type AnswerEffect = Extract<RaftEffect, { kind: "proposal" | "read" | "membership" | "transfer" }>;

export class Desk {
  readonly #proposals: Proposals;
  readonly #reads: Reads;
  readonly #operations: Operations;
  #closed = false;

  constructor(private readonly options: DeskOptions) {
    const { clock, hasLeader, answer, give, input, state } = options;
    this.#proposals = new Proposals({ clock, hasLeader, answer, give });
    this.#reads = new Reads({
      clock,
      hasLeader,
      answer,
      ask: (id) => input({ kind: "read", id }),
      query: (query) => state.query(query),
    });
    this.#operations = new Operations({ clock, input, answer });
  }

  ask(request: DriverRequest): void {
    const { request: number } = request;
    if (this.#closed) {
      this.#fail(number, "unavailable", "Consensus is stopping");
      return;
    }
    switch (request.kind) {
      case "propose":
        return this.#propose(request);
      case "read":
        if (request.consistency === "local") this.#reads.local(number, request.query);
        else this.#reads.add(number, request.query, request.timeout_ms);
        return;
      case "transfer":
      case "membership":
        return this.#operations.start(request, this.options.raft());
      case "check":
        return this.#check(number);
      case "compact":
        return this.#compact(number);
      case "give_up":
        this.#proposals.giveUp();
        this.#reads.giveUp();
        return this.options.answer({ kind: "given_up", request: number });
      case "stats":
        return this.options.answer({ kind: "stats", request: number, stats: this.#stats() });
      default:
        return unreachable(request);
    }
  }

  /** What the core answers. */
  take(effect: AnswerEffect): void {
    switch (effect.kind) {
      case "proposal":
        return this.#proposals.result(effect.id, effect.result);
      case "read":
        return this.#reads.result(effect.id, effect.result);
      case "membership":
        return this.#operations.membershipEnded(effect.id, effect.result);
      case "transfer":
        return this.#operations.transferEnded(effect.id, effect.result);
      default:
        return unreachable(effect);
    }
  }

  applied(...args: Parameters<Proposals["applied"]>): void {
    this.#proposals.applied(...args);
  }

  skipped(index: number): void {
    this.#proposals.skipped(index);
  }

  reject(id: number, code: string, detail: string): void {
    this.#proposals.reject(id, code, detail);
  }

  /** There may be a leader. */
  retry(): void {
    this.#proposals.retry();
    this.#reads.retry();
  }

  close(): void {
    this.#closed = true;
    // Not only when the node stops: a log that could not be written is opened again by another driver.
    this.#proposals.close("this node's part in consensus ends, or begins anew");
    this.#reads.close("This node's part in consensus ends, or begins anew");
    this.#operations.close();
  }

  #propose({ request, command, timeout_ms }: Extract<DriverRequest, { kind: "propose" }>): void {
    const { state, leads } = this.options;
    try {
      // Only a look: who leads stamps it. What no node would take is refused here, with the reason.
      if (state.machine !== null && !leads()) state.stamp(command, { elapsed_ms: 0, wall_ms: 0 });
    } catch (thrown) {
      this.#fail(request, thrown instanceof CaxtonError ? thrown.code : "internal", reasonOf(thrown));
      return;
    }
    this.#proposals.add(request, command, timeout_ms);
  }

  #check(request: number): void {
    const { state, self, answer } = this.options;
    const { machine } = state;
    if (machine === null) {
      this.#fail(request, "unavailable", "A witness keeps no state to compare");
      return;
    }
    try {
      // Of what was applied and lost with a full disk there is no hash before it could be applied again.
      const check = { node: nodeOf(self), state: machine.hash, halted: machine.halted };
      answer({ kind: "checked", request, check });
    } catch (thrown) {
      this.#fail(request, thrown instanceof CaxtonError ? thrown.code : "internal", reasonOf(thrown));
    }
  }

  #compact(request: number): void {
    const { state, input, soon, raft, answer } = this.options;
    state.settle();
    input({ kind: "compact" });
    // A turn for the core to hear it, and one for what it then does.
    soon(() => soon(() => answer({ kind: "compacted", request, index: raft().base })));
  }

  #stats(): ConsensusStats {
    return {
      ...this.options.counted(),
      proposals: this.#proposals.proposed,
      proposalsFailed: this.#proposals.failed,
      reads: this.#reads.answered,
      commit_ms: [...this.#proposals.latencies_ms],
    };
  }

  #fail(request: number, code: string, detail: string): void {
    this.options.answer({ kind: "failed", request, code, detail });
  }
}
