/** A follower's side of replication: what it takes over from its leader, and what it answers. */
import type { RaftId } from "./configuration.ts";
import type { Entry, LogPosition } from "./entry.ts";
import type { AppendMessage, HeartbeatMessage } from "./messages.ts";
import type { Roles } from "./roles.ts";
import type { RaftState } from "./state.ts";
import { mayHold } from "./witness.ts";

export class Following {
  /** Appends with entries that this kind of log may not hold. */
  refusedEntries = 0;

  constructor(
    private readonly state: RaftState,
    private readonly roles: Roles,
  ) {}

  append(from: RaftId, message: AppendMessage): void {
    const { state } = this;
    const { log } = state;
    if (state.installing) return;
    if (message.entries.some((entry) => !mayHold(state, entry))) {
      this.refusedEntries++;
      return;
    }
    let { previous, entries } = message;
    if (previous.index < log.base.index) {
      // What is compacted is committed, so it agrees.
      entries = entries.slice(log.base.index - previous.index);
      previous = log.base;
      if (entries.length === 0) return this.#acknowledge(from, log.commit);
    }
    if (!log.matches(previous)) return this.#refuse(from, previous);
    if (!this.#takeOver(entries)) return;
    const match = previous.index + entries.length;
    log.commitTo(Math.min(message.commit, match));
    this.#acknowledge(from, match);
  }

  heartbeat(from: RaftId, { round, commit }: HeartbeatMessage): void {
    const { state } = this;
    const { log } = state;
    if (!state.installing) {
      // A heartbeat tells of no more than what this log has acknowledged in this term.
      if (commit > log.last.index) return this.#lost(commit, log.last.index);
      log.commitTo(commit);
    }
    if (round > 0) state.send(from, { kind: "heartbeat-reply", term: state.term, round });
  }

  /** Keeps what agrees, takes back from the first conflict on, and appends the rest. False: it stopped. */
  #takeOver(entries: readonly Entry[]): boolean {
    const { state } = this;
    const { log } = state;
    let known = 0;
    for (const { index, term } of entries) {
      if (index > log.last.index || log.term(index) !== term) break;
      known++;
    }
    const conflict = entries[known];
    if (conflict === undefined) return true;
    if (conflict.index <= log.commit) {
      this.roles.stop(`the leader's log contradicts entry ${conflict.index}, which is committed here`);
      return false;
    }
    state.truncate(conflict.index);
    for (let i = known; i < entries.length; i++) {
      const entry = entries[i];
      if (entry !== undefined) state.appendEntry(entry);
    }
    return true;
  }

  #lost(acknowledged: number, last: number): void {
    this.roles.stop(`the log ends at entry ${last}, and had acknowledged entry ${acknowledged}`);
    this.state.out.emit({ kind: "log-lost", acknowledged, last });
  }

  #acknowledge(to: RaftId, match: number): void {
    this.state.send(to, { kind: "appended", term: this.state.term, match });
  }

  #refuse(to: RaftId, previous: LogPosition): void {
    const { log, term } = this.state;
    const hint = log.lastWithTermAtMost(previous.index, previous.term);
    this.state.send(to, {
      kind: "refused",
      term,
      previous: previous.index,
      hint,
      last: log.last.index,
    });
  }
}
