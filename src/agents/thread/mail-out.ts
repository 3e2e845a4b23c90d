/**
 * What of an agent thread's mail waits to go to main: messages of its agents, and outcomes of what was delivered to
 * them. Both are acts of the agents and go only while the node holds its lease; until then they are held here, with
 * whose they are, and what belongs to an agent that has left meanwhile is dropped. Refusals, and what agents do that
 * act without a lease, always go.
 */
import { BatchWriter, OutcomeWriter, readBatch, readOutcomes } from "../../messaging/message-batch.ts";
import { senderOf } from "../../wire/message.ts";
import type { Outcome } from "../../wire/outcome.ts";
import type { AgentFace } from "./agent-face.ts";

/** A held message or outcome; both are bounded by who issued their tickets. */
type Held =
  | {
      readonly kind: "message";
      readonly agent: AgentFace;
      readonly flags: number;
      readonly ticket: number;
      readonly message: Uint8Array;
    }
  | {
      readonly kind: "outcome";
      readonly agent: AgentFace;
      readonly ticket: number;
      readonly outcome: Outcome;
    };

export interface Taken {
  readonly batches: readonly Uint8Array<ArrayBuffer>[];
  readonly outcomes: readonly Uint8Array<ArrayBuffer>[];
}

export interface MailOutOptions {
  /** The agent of that name here now, if there is one. */
  readonly agent: (name: string) => AgentFace | undefined;
  /** A message of an agent that has left will not go. */
  readonly dropped: (ticket: number, message: Uint8Array) => void;
}

export class MailOut {
  readonly #guarded = { messages: new BatchWriter(), outcomes: new OutcomeWriter() };
  readonly #free = { messages: new BatchWriter(), outcomes: new OutcomeWriter() };
  /** Whose the outcomes in `#guarded` are, in order. */
  #acknowledged: AgentFace[] = [];
  #held: Held[] = [];

  constructor(private readonly options: MailOutOptions) {}

  send(flags: number, ticket: number, message: Uint8Array, free: boolean): void {
    (free ? this.#free : this.#guarded).messages.add(flags, ticket, message);
  }

  /** The message is in that agent's inbox. */
  acknowledge(agent: AgentFace, ticket: number): void {
    if (agent.continues) {
      this.#free.outcomes.add(ticket, "accepted");
      return;
    }
    this.#guarded.outcomes.add(ticket, "accepted");
    this.#acknowledged.push(agent);
  }

  refuse(ticket: number, outcome: Outcome): void {
    this.#free.outcomes.add(ticket, outcome);
  }

  /** What gathered since the last call. `open`: the lease is held. */
  take(open: boolean): Taken {
    if (!open || this.#held.length > 0) this.#hold();
    if (open && this.#held.length > 0) this.#release();
    this.#acknowledged = [];
    const writers = open ? [this.#free, this.#guarded] : [this.#free];
    return {
      batches: writers.flatMap(({ messages }) => (messages.count > 0 ? messages.take() : [])),
      outcomes: writers.flatMap(({ outcomes }) => (outcomes.count > 0 ? outcomes.take() : [])),
    };
  }

  #hold(): void {
    const { messages, outcomes } = this.#guarded;
    if (messages.count > 0) {
      readBatch(messages.take(), (flags, ticket, message) => {
        const agent = this.options.agent(senderOf(message));
        if (agent === undefined) this.options.dropped(ticket, message);
        else this.#held.push({ kind: "message", agent, flags, ticket, message });
      });
    }
    if (outcomes.count === 0) return;
    let at = 0;
    readOutcomes(outcomes.take(), (ticket, outcome) => {
      this.#held.push({ kind: "outcome", agent: this.#acknowledged[at++] as AgentFace, ticket, outcome });
    });
  }

  #release(): void {
    const held = this.#held;
    this.#held = [];
    for (const entry of held) {
      const { agent, ticket } = entry;
      const here = this.options.agent(agent.name) === agent && !agent.leaving;
      if (entry.kind === "message") {
        if (here) this.#guarded.messages.add(entry.flags, ticket, entry.message);
        else this.options.dropped(ticket, entry.message);
      } else if (here) this.#guarded.outcomes.add(ticket, entry.outcome);
      // Its sender tries again, wherever the agent is by then.
      else this.#free.outcomes.add(ticket, "unreachable");
    }
  }
}
