/**
 * Commands on their way into the log. A leader appends them; others forward them to the leader that they know, and
 * when it changes before it answered, their fate is unknown and said to be at once: nobody waits for a dead leader.
 */
import type { RaftId } from "./configuration.ts";
import type { ProposalResult } from "./effects.ts";
import { entryOverhead_bytes, type LogPosition } from "./entry.ts";
import type {
  ForwardedProposal,
  ForwardMessage,
  ForwardRefusedMessage,
  ForwardReplyMessage,
  ForwardResult,
} from "./messages.ts";
import type { RaftState } from "./state.ts";

interface Forwarded {
  readonly id: number;
  readonly expires: number;
}

/** A forwarded proposal whose fate nobody tells is unknown after so many election time-outs. */
const patience = 10;

export class Proposals {
  /** By token, in order of their expiry. */
  readonly #forwarded = new Map<number, Forwarded>();
  /** Not sent yet. */
  #leaving: ForwardedProposal[] = [];

  constructor(private readonly state: RaftState) {}

  propose(id: number, data: Uint8Array): void {
    const { state } = this;
    if (data.length > state.options.limits.command_bytes) {
      this.#answer(id, { kind: "refused", reason: "too-large" });
      return;
    }
    if (state.leadership !== null) {
      this.#answer(id, this.#append(data));
      return;
    }
    if (state.leader === null) {
      this.#answer(id, { kind: "refused", reason: "no-leader" });
      return;
    }
    if (this.#forwarded.size >= state.options.limits.forwarded) {
      this.#answer(id, { kind: "refused", reason: "busy" });
      return;
    }
    const token = state.nextToken();
    this.#forwarded.set(token, { id, expires: state.now + patience * state.timing.election_ms });
    this.#leaving.push({ id: token, data });
  }

  forwarded(from: RaftId, message: ForwardMessage): void {
    const { state } = this;
    const results: ForwardResult[] = [];
    for (const { id, data } of message.proposals) {
      const leads = state.leadership !== null && message.term === state.term;
      const small = data.length <= state.options.limits.command_bytes;
      const result = leads && small ? this.#append(data) : null;
      results.push({ id, position: result?.kind === "accepted" ? result.position : null });
    }
    state.send(from, { kind: "forward-reply", term: state.term, results });
  }

  forwardReply(from: RaftId, message: ForwardReplyMessage): void {
    if (from !== this.state.leader || message.term !== this.state.term) return;
    for (const { id: token, position } of message.results) {
      const forwarded = this.#forwarded.get(token);
      if (forwarded === undefined) continue;
      this.#forwarded.delete(token);
      this.#answer(
        forwarded.id,
        position ? { kind: "accepted", position } : { kind: "refused", reason: "busy" },
      );
    }
  }

  /** The leader knows better than to take it, now or later. */
  forwardRefused(from: RaftId, { term, id: token, code, detail }: ForwardRefusedMessage): void {
    if (from !== this.state.leader || term !== this.state.term) return;
    const forwarded = this.#forwarded.get(token);
    if (forwarded === undefined) return;
    this.#forwarded.delete(token);
    this.#answer(forwarded.id, { kind: "rejected", by: from, code, detail });
  }

  /** The leader is another one, or none. */
  leaderChanged(): void {
    const unsent = new Set(this.#leaving.map(({ id }) => id));
    for (const [token, { id }] of this.#forwarded) {
      this.#answer(id, unsent.has(token) ? { kind: "refused", reason: "no-leader" } : { kind: "unknown" });
    }
    this.#forwarded.clear();
    this.#leaving = [];
  }

  /** Sends what waits to be forwarded, in messages of bounded size, and gives up on what has waited too long. */
  run(): void {
    const { state } = this;
    for (const [token, { id, expires }] of this.#forwarded) {
      if (expires > state.now) break;
      this.#forwarded.delete(token);
      this.#answer(id, { kind: "unknown" });
    }
    let batch: ForwardedProposal[] = [];
    let bytes = 0;
    for (const proposal of this.#leaving) {
      if (bytes + proposal.data.length > state.options.limits.append_bytes && batch.length > 0) {
        this.#send(batch);
        batch = [];
        bytes = 0;
      }
      batch.push(proposal);
      bytes += proposal.data.length + entryOverhead_bytes;
    }
    if (batch.length > 0) this.#send(batch);
    this.#leaving = [];
  }

  due(): number {
    for (const { expires } of this.#forwarded.values()) return expires;
    return Infinity;
  }

  #send(proposals: readonly ForwardedProposal[]): void {
    const { leader, term, out } = this.state;
    if (leader !== null) out.sendEarly(leader, { kind: "forward", term, proposals });
  }

  #append(data: Uint8Array): ProposalResult {
    const { state } = this;
    const { leading } = state;
    if (leading.transfer !== null) return { kind: "refused", reason: "transferring" };
    const bytes = data.length + entryOverhead_bytes;
    if (leading.pending_bytes + bytes > state.options.limits.uncommitted_bytes)
      return { kind: "refused", reason: "busy" };
    leading.pending_bytes += bytes;
    const index = state.appendOwn("command", data);
    const position: LogPosition = { index, term: state.term };
    return { kind: "accepted", position };
  }

  #answer(id: number, result: ProposalResult): void {
    this.state.out.emit({ kind: "proposal", id, result });
  }
}
