/**
 * Changes of members, one at a time, by joint consensus with automatic leave (Ongaro, dissertation, section 4.3): the
 * joint configuration is appended, and once it is committed the leader (this one or a later one) appends the new one
 * alone. A leader outside of it steps down when that is committed.
 */
import { encodeConfiguration } from "./configuration-codec.ts";
import { type Configuration, everyone, type Member } from "./configuration.ts";
import { isReady } from "./commit.ts";
import type { MembershipResult } from "./effects.ts";
import { firstStep, leave, refusalOf } from "./membership-rules.ts";
import { Progress } from "./progress.ts";
import type { RaftState } from "./state.ts";

export class Membership {
  constructor(private readonly state: RaftState) {}

  change(id: number, members: readonly Member[]): void {
    const { state } = this;
    const { leadership, configurations } = state;
    const refuse = (reason: Extract<MembershipResult, { kind: "refused" }>["reason"]): void =>
      this.#answer(id, { kind: "refused", reason });
    if (leadership === null) return refuse("not-leader");
    if (leadership.transfer !== null) return refuse("transferring");
    // Before that it may not know of a change that an older leader committed.
    if (!isReady(state)) return refuse("not-ready");
    if (this.#isPending()) return refuse("pending");
    const refusal = refusalOf(
      configurations.current,
      members,
      (member) => leadership.peers.get(member)?.caughtUp ?? false,
    );
    if (refusal !== null) return refuse(refusal);
    const next = firstStep(configurations.current, members);
    const index = this.#append(next);
    leadership.change = { id, finalIndex: next.outgoing === null ? index : null };
  }

  /** Goes on with what is committed. Returns true when this leader has committed its own removal. */
  run(): boolean {
    const { state } = this;
    const { leadership, configurations, log } = state;
    if (leadership === null) return false;
    if (isReady(state) && configurations.current.outgoing !== null && log.commit >= configurations.index) {
      const index = this.#append(leave(configurations.current));
      if (leadership.change !== null) leadership.change.finalIndex = index;
    }
    const { change } = leadership;
    const index = change?.finalIndex ?? null;
    if (change !== null && index !== null && log.commit >= index) {
      this.#answer(change.id, { kind: "changed", index });
      leadership.change = null;
    }
    return !this.#isPending() && isReady(state) && configurations.roleOf(state.self) !== "voter";
  }

  /** Leadership ended. */
  leadershipEnds(): void {
    const change = this.state.leadership?.change;
    if (change) this.#answer(change.id, { kind: "unknown" });
  }

  /** Progress for whoever is new; none for whoever has seen its removal committed. */
  syncPeers(): void {
    const { state } = this;
    const { leading, configurations, log, now } = state;
    const members = everyone(configurations.current);
    for (const { id, role } of members) {
      const peer = leading.peers.get(id);
      if (peer !== undefined) peer.role = role;
      else if (id !== state.self) leading.peers.set(id, new Progress(id, role, log.last.index + 1, now));
    }
    if (this.#isPending()) return;
    for (const { id, match } of leading.peers.values()) {
      if (members.some((member) => member.id === id)) continue;
      leading.peers.delete(id);
      // The last word: so that it knows, if it has that far, that it is let go.
      const commit = Math.min(match, log.commit);
      state.out.sendEarly(id, { kind: "heartbeat", term: state.term, round: 0, commit });
    }
  }

  /** The newest configuration is not committed, or joint. */
  #isPending(): boolean {
    const { configurations, log } = this.state;
    return configurations.index > log.commit || configurations.current.outgoing !== null;
  }

  #append(configuration: Configuration): number {
    const index = this.state.appendOwn("configuration", encodeConfiguration(configuration));
    this.syncPeers();
    return index;
  }

  #answer(id: number, result: MembershipResult): void {
    this.state.out.emit({ kind: "membership", id, result });
  }
}
