/** Turns suspicion into failure when its time is over, and forgets those gone for long. */
import { isPresent, type SwimMember } from "./members.ts";
import type { SwimState } from "./state.ts";
import { suspicionBounds } from "./suspicion.ts";
import { applyFailed } from "./updates.ts";

/** The tables are swept this often. */
const sweep_ms = 1_000;

export class Failing {
  #sweepAt = 0;

  constructor(private readonly state: SwimState) {}

  due(): number {
    let due = this.#sweepAt;
    for (const member of this.state.members.all()) {
      if (member.suspicion) due = Math.min(due, this.#deadline(member));
    }
    return due;
  }

  run(): void {
    const { state } = this;
    for (const member of state.members.all()) {
      if (member.suspicion && this.#deadline(member) <= state.now) {
        applyFailed(state, member.id, member.incarnation, state.self);
      }
    }
    if (this.#sweepAt > state.now) return;
    this.#sweepAt = state.now + sweep_ms;
    this.#reap();
  }

  /** This node was asleep for `lag_ms`: the accused had no chance to be heard meanwhile. */
  forgive(lag_ms: number): void {
    for (const { suspicion } of this.state.members.all()) if (suspicion) suspicion.began += lag_ms;
  }

  /** Further accusers are expected only of members that could speak up. */
  #deadline(member: SwimMember): number {
    const { state } = this;
    const { least_ms, most_ms } = suspicionBounds(state.timing, state.members.present);
    let others = 0;
    for (const other of state.members.all()) if (other.status === "alive") others++;
    // This node's own row is alive and does not count; neither does the first accuser.
    const expected = Math.min(state.timing.suspicionConfirmations, others - 1);
    return member.suspicion?.deadline(least_ms, most_ms, expected) ?? Infinity;
  }

  #reap(): void {
    const { state } = this;
    const { reapFailed_ms, reapLeft_ms, grave_ms } = state.timing;
    for (const member of state.members.all()) {
      if (isPresent(member)) continue;
      if (state.now - member.since < (member.status === "failed" ? reapFailed_ms : reapLeft_ms)) continue;
      state.members.bury(member, state.now + grave_ms);
      state.emit({ kind: "forgotten", member, reason: `${member.status} for long` });
    }
    state.members.dropGravesBefore(state.now);
  }
}
