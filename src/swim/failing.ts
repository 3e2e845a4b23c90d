/** Turns suspicion into failure when its time is over, and forgets those gone for long. */
import { isPresent, type SwimMember } from "./members.ts";
import { recordOf, type SwimState } from "./state.ts";
import { gossip, sendPacket } from "./packets.ts";
import { type Suspicion, suspicionBounds } from "./suspicion.ts";
import type { Timing } from "./timing.ts";
import { applyFailed } from "./updates.ts";

/** The tables are swept this often. */
const sweep_ms = 1_000;
/** Before a suspicion ends, in probe periods: two round trips at least. */
const lastCallPeriods = 2;

interface Times {
  readonly least_ms: number;
  readonly most_ms: number;
  readonly expected: number;
}

export class Failing {
  #sweepAt = 0;
  #due: { readonly at: number; readonly times: Times; readonly version: number } | null = null;
  /** Times as they were worked out last, and what for. */
  #known: {
    readonly present: number;
    readonly alive: number;
    readonly timing: Timing;
    readonly times: Times;
  } | null = null;

  constructor(private readonly state: SwimState) {}

  /** The sweep waits for the next tick after its time: there is one in each period. */
  due(): number {
    const { members } = this.state;
    if (!members.hasSuspects) return Infinity;
    const times = this.#times();
    // Asked for at every step: looked at anew only when something changed.
    if (this.#due?.times !== times || this.#due.version !== members.suspicionsVersion)
      this.#due = { at: this.#earliest(times), times, version: members.suspicionsVersion };
    return this.#due.at;
  }

  #earliest(times: Times): number {
    let due = Infinity;
    for (const { suspicion } of this.state.members.suspects()) {
      if (!suspicion) continue;
      const deadline = this.#deadline(suspicion, times);
      due = Math.min(due, suspicion.lastCalled ? deadline : deadline - this.#lastCall_ms);
    }
    return due;
  }

  run(): void {
    const { state } = this;
    this.#judge();
    if (this.#sweepAt > state.now) return;
    this.#sweepAt = state.now + sweep_ms;
    this.#reap();
  }

  /** What was found is told at once, not with the next round of gossip: others wait for it. */
  #judge(): void {
    const { state } = this;
    if (!state.members.hasSuspects || this.due() > state.now) return;
    const times = this.#times();
    let found = false;
    for (const member of [...state.members.suspects()]) {
      this.#lastCall(member, times);
      if (!member.suspicion || this.#deadline(member.suspicion, times) > state.now) continue;
      applyFailed(state, member.id, member.incarnation, state.self);
      found = true;
    }
    if (found) gossip(state);
  }

  /**
   * Its subject hears of it once more in time to answer: the news of a suspicion goes round but once, and may
   * have done so behind a cut.
   */
  #lastCall({ id, address, suspicion }: SwimMember, times: Times): void {
    const { state } = this;
    if (!suspicion || suspicion.lastCalled) return;
    if (this.#deadline(suspicion, times) - this.#lastCall_ms > state.now) return;
    suspicion.lastCall(state.now);
    const member = state.members.get(id);
    if (member && !state.plain) sendPacket(state, id, address, [recordOf(state, member)]);
  }

  #deadline(suspicion: Suspicion, { least_ms, most_ms, expected }: Times): number {
    return suspicion.deadline(least_ms, most_ms, expected, this.state.plain ? 0 : this.#lastCall_ms);
  }

  get #lastCall_ms(): number {
    return lastCallPeriods * this.state.timing.probe_ms;
  }

  /** This node was asleep for `lag_ms`: the accused had no chance to be heard meanwhile. */
  forgive(lag_ms: number): void {
    for (const { suspicion } of this.state.members.suspects()) suspicion?.forgive(lag_ms);
  }

  /** Further accusers are expected only of members that could speak up. Kept while they hold. */
  #times(): Times {
    const { timing, members, plain } = this.state;
    const [present, alive, known] = [members.present, members.alive.length, this.#known];
    if (known?.present === present && known.alive === alive && known.timing === timing) return known.times;
    // This node's own row is alive and does not count; the accused is not alive.
    const expected = plain ? 0 : Math.min(timing.suspicionConfirmations, alive - 1);
    const times = { ...suspicionBounds(timing, present), expected };
    this.#known = { present, alive, timing, times };
    return times;
  }

  #reap(): void {
    const { state } = this;
    const { reapFailed_ms, reapLeft_ms, grave_ms } = state.timing;
    for (const member of state.members.all()) {
      if (isPresent(member)) continue;
      if (state.now - member.since < (member.status === "failed" ? reapFailed_ms : reapLeft_ms)) continue;
      // Of a life that only others told of nothing is kept.
      if (member.isHearsay) state.members.drop(member);
      else state.members.bury(member, state.now + grave_ms, false);
      state.forget(member.id);
      state.emit({ kind: "forgotten", member, reason: `${member.status} for long` });
    }
    state.members.dropGravesBefore(state.now);
    state.certificates.dropBefore(state.now);
  }
}
