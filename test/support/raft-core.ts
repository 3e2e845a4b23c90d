/** One Raft core by itself, whose disk writes at once: for tests that play all the others by hand. */
import type { NodeId } from "../../src/base/ids.ts";
import { defaultMember, type RaftId, raftIdOf } from "../../src/raft/configuration.ts";
import type { RaftEffect, RaftInput } from "../../src/raft/effects.ts";
import type { RaftMessage } from "../../src/raft/messages.ts";
import { defaultLimits, type RaftLimits, type RaftOptions } from "../../src/raft/options.ts";
import { Raft } from "../../src/raft/raft.ts";
import { RaftDisk } from "../../src/simulation/raft/disk.ts";

export function idOf(name: string): RaftId {
  return raftIdOf(name as NodeId, 1);
}

export class RaftCore {
  readonly disk = new RaftDisk();
  readonly raft: Raft;
  now = 0;
  /** Everything that came out, but sends. */
  readonly effects: RaftEffect[] = [];
  readonly sent: { readonly to: RaftId; readonly message: RaftMessage }[] = [];

  constructor(
    self: string,
    members: readonly string[],
    how: { readonly limits?: Partial<RaftLimits>; readonly options?: Partial<RaftOptions> } = {},
  ) {
    this.disk.found({ members: members.map((name) => defaultMember(idOf(name), "voter")), outgoing: null });
    const options: RaftOptions = {
      self: idOf(self),
      witness: false,
      timing: { heartbeat_ms: 50, election_ms: 200 },
      hints: true,
      leaseReads: false,
      clockDrift: 0,
      limits: { ...defaultLimits, ...how.limits },
      seed: 1,
      ...how.options,
    };
    this.raft = new Raft(options, this.disk.stored(0), this.disk, 0);
  }

  /** Gives it these, and whatever its disk and its state machine answer. */
  give(...inputs: RaftInput[]): this {
    let next: RaftInput[] = inputs;
    while (next.length > 0) {
      const answers: RaftInput[] = [];
      for (const effect of this.raft.stepAll(next, this.now)) {
        if (effect.kind === "send") this.sent.push(effect);
        else this.effects.push(effect);
        if (effect.kind === "persist") {
          this.disk.persist(effect);
          answers.push({ kind: "persisted", id: effect.id });
        } else if (effect.kind === "apply") {
          const index = effect.entries.at(-1)?.index ?? 0;
          answers.push({ kind: "applied", index }, { kind: "settled", index });
        } else if (effect.kind === "compact") this.disk.compact(effect.base, effect.configuration);
      }
      next = answers;
    }
    return this;
  }

  hear(from: string, message: RaftMessage): this {
    return this.give({ kind: "message", from: idOf(from), message });
  }

  /** Lets so much time pass, with all ticks that fall due. */
  wait(duration_ms: number): this {
    const end = this.now + duration_ms;
    while (this.raft.wake <= end) {
      this.now = Math.max(this.raft.wake, this.now);
      this.give({ kind: "tick" });
    }
    this.now = end;
    return this;
  }

  /** Makes it lead in term 2 by the vote of `voter`. Its first entry (index 2) is not committed yet. */
  elect(voter: string): this {
    while (this.raft.role !== "pre-candidate") {
      this.now = this.raft.wake;
      this.give({ kind: "tick" });
    }
    this.hear(voter, { kind: "vote-reply", term: 2, pre: true, granted: true });
    return this.hear(voter, { kind: "vote-reply", term: 2, pre: false, granted: true });
  }

  /** The follower has everything, and has answered every heartbeat. */
  followed(by: string): this {
    const { index: match } = this.raft.log.last;
    const round = Math.max(0, ...this.heartbeats());
    this.hear(by, { kind: "appended", term: 2, match });
    return this.hear(by, { kind: "heartbeat-reply", term: 2, round });
  }

  heartbeats(): number[] {
    return this.sent.flatMap(({ message }) => (message.kind === "heartbeat" ? [message.round] : []));
  }

  results(kind: "proposal" | "read" | "membership" | "transfer"): unknown[] {
    return this.effects.flatMap((effect) => (effect.kind === kind ? [effect.result] : []));
  }
}
