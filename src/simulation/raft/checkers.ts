/**
 * The invariants of Raft, looked at after every turn and at every effect. They know the truth (all disks, all that was
 * ever committed) and none of the core's rules. Each is named; a broken one ends the run.
 */
import {
  type Configuration,
  everyone,
  type Member,
  type RaftId,
  votersOf,
} from "../../raft/configuration.ts";
import { decodeConfiguration } from "../../raft/configuration-codec.ts";
import type { RaftEffect } from "../../raft/effects.ts";
import type { Entry, HardState, LogPosition } from "../../raft/entry.ts";
import type { RaftMessage } from "../../raft/messages.ts";
import type { Raft } from "../../raft/raft.ts";

export class RaftViolation extends Error {
  constructor(
    readonly checker: string,
    readonly what: string,
  ) {
    super(`${checker}: ${what}`);
  }
}

/** A participant as the checkers see it: what it has on disk, and what it has applied. */
export interface CheckedParticipant {
  readonly id: RaftId;
  /** Null while it is down. */
  readonly raft: Raft | null;
  /** Its own clock. */
  readonly local: number;
  readonly nature: { readonly options: { readonly witness: boolean } };
  readonly disk: {
    readonly hardState: HardState;
    readonly last: LogPosition;
    has(position: LogPosition): boolean;
  };
  readonly machine: {
    readonly position: LogPosition;
    readonly settled: number;
    readonly hash: number | string;
  };
}

interface Seen {
  readonly raft: Raft;
  term: number;
  commit: number;
  applied: number;
  leader: boolean;
}

interface Committed {
  readonly term: number;
  readonly data: string;
}

const text = new TextDecoder();

export class RaftCheckers {
  readonly #nodes: ReadonlyMap<RaftId, CheckedParticipant>;
  readonly #leaders = new Map<number, RaftId>();
  readonly #votes = new Map<string, RaftId>();
  /** Terms by index of what some leader has committed, and what was applied there. */
  readonly #committed: number[] = [0, 1];
  /** The terms of those who committed it. */
  readonly #committedIn: number[] = [0, 1];
  readonly #applied = new Map<number, Committed>();
  readonly #hashes = new Map<number, number | string>();
  readonly #seen = new Map<RaftId, Seen>();
  /** The highest term that each disk has promised, over restarts. */
  readonly #promised = new Map<RaftId, number>();
  /** The last one that was applied anywhere. */
  #configuration: Configuration | null = null;
  elections = 0;
  snapshots = 0;

  constructor(nodes: ReadonlyMap<RaftId, CheckedParticipant>) {
    this.#nodes = nodes;
  }

  get committed(): number {
    return this.#committed.length - 1;
  }

  /** A message leaves `node`: what it promises is on its disk. */
  sent({ id, disk }: CheckedParticipant, to: RaftId, message: RaftMessage): void {
    const { term, vote } = disk.hardState;
    if (message.kind === "vote-reply" && message.granted && !message.pre) {
      const key = `${message.term} ${id}`;
      const before = this.#votes.get(key) ?? to;
      check(before === to, "one-vote", `${id} voted for ${before} and for ${to} in term ${message.term}`);
      this.#votes.set(key, to);
      check(
        term > message.term || (term === message.term && vote === to),
        "durable-promise",
        `${id} gave a vote that its disk does not know`,
      );
    }
    if (message.kind === "vote" && !message.pre)
      check(term >= message.term, "durable-promise", `${id} campaigns in a term that its disk does not know`);
    if (message.kind === "appended") {
      check(term >= message.term, "durable-promise", `${id} answers in a term that its disk does not know`);
      const durable = term > message.term || disk.last.index >= message.match;
      check(
        durable,
        "durable-ack",
        `${id} acknowledged ${message.match}, its disk ends at ${disk.last.index}`,
      );
    }
  }

  /** Before an effect is performed. */
  effect(node: CheckedParticipant, effect: RaftEffect): void {
    if (effect.kind === "persist") this.#writes(node, effect.entries);
    else if (effect.kind === "compact") {
      const { settled } = node.machine;
      const { witness } = node.nature.options;
      check(
        witness || effect.base.index <= settled,
        "compaction",
        `${node.id} drops up to ${effect.base.index}, durably applied is ${settled}`,
      );
    } else if (effect.kind === "log-lost") {
      // These disks lose nothing that was synced.
      throw new RaftViolation("durable-ack", `${node.id} had ${effect.acknowledged}, and has ${effect.last}`);
    } else if (effect.kind === "snapshot-install") {
      this.snapshots++;
      const { index } = effect.mark.position;
      const commit = node.raft?.log.commit ?? 0;
      check(index > commit, "snapshot-order", `${node.id} installs ${index} over its commit ${commit}`);
    }
  }

  /** `hashed`: the participant's state is the one right after this entry. */
  applied({ id, machine }: CheckedParticipant, { index, term, kind, data }: Entry, hashed = true): void {
    check(kind !== "stripped", "witness-data", `${id} applies ${index} without its data`);
    const words = text.decode(data);
    const known = this.#applied.get(index);
    check(
      known === undefined || (known.term === term && known.data === words),
      "state-machine-safety",
      `${id} applies another entry ${index} (term ${term}) than was applied before (term ${known?.term})`,
    );
    if (known === undefined) {
      this.#applied.set(index, { term, data: words });
      if (kind === "configuration") this.#follows(index, decodeConfiguration(data));
    }
    if (!hashed) return;
    const hash = this.#hashes.get(index) ?? machine.hash;
    check(hash === machine.hash, "state-hash", `the state of ${id} at ${index} differs from another's`);
    this.#hashes.set(index, hash);
  }

  /** After a turn of `node`. */
  stepped(node: CheckedParticipant): void {
    const { raft, id } = node;
    if (raft === null) return;
    const { role, term, commit, applied, last, base, configuration, stopped } = raft.status(node.local);
    const seen = this.#seenOf(node, raft);
    check(term >= seen.term && term >= (this.#promised.get(id) ?? 0), "monotone", `the term of ${id} fell`);
    check(commit >= seen.commit, "monotone", `the commit index of ${id} fell`);
    check(applied >= seen.applied, "monotone", `the applied index of ${id} fell`);
    check(
      base <= applied && applied <= commit && commit <= last,
      "order",
      `${id}: base ${base}, applied ${applied}, commit ${commit}, last ${last}`,
    );
    seen.term = term;
    seen.applied = applied;
    this.#promised.set(id, Math.max(this.#promised.get(id) ?? 0, node.disk.hardState.term));
    const leads = role === "leader";
    const ledBefore = seen.leader;
    if (leads) {
      const { witness } = node.nature.options;
      check(!witness, "witness-leads", `the witness ${id} leads`);
      if (!seen.leader) this.#leads(node, raft, term);
      this.#oneChange(node, raft, commit, last);
    }
    seen.leader = leads;
    if (commit > seen.commit) {
      if (leads && ledBefore)
        check(
          raft.log.term(commit) === term,
          "commit-rule",
          `${id} commits by counting what is not of its term`,
        );
      for (let index = Math.max(seen.commit, base) + 1; index <= commit; index++)
        this.#commits(node, raft, { index, term: raft.log.term(index) }, leads, configuration);
      seen.commit = commit;
    }
    check(stopped === null || stopped.startsWith("the disk failed"), "stopped", `${id} stopped: ${stopped}`);
  }

  #seenOf(node: CheckedParticipant, raft: Raft): Seen {
    let seen = this.#seen.get(node.id);
    if (seen?.raft !== raft) {
      seen = { raft, term: 0, commit: 0, applied: 0, leader: false };
      this.#seen.set(node.id, seen);
    }
    return seen;
  }

  #leads({ id }: CheckedParticipant, raft: Raft, term: number): void {
    this.elections++;
    const other = this.#leaders.get(term) ?? id;
    check(other === id, "one-leader", `${other} and ${id} lead in term ${term}`);
    this.#leaders.set(term, id);
    for (let index = Math.max(raft.log.base.index, 1); index <= this.committed; index++) {
      // A leader of an older term, elected late, need not have what a newer one has committed.
      if ((this.#committedIn[index] ?? 0) >= term) continue;
      const has = index <= raft.log.last.index && raft.log.term(index) === this.#committed[index];
      check(has, "leader-completeness", `${id} leads in term ${term} without the committed entry ${index}`);
    }
  }

  #commits(
    { id }: CheckedParticipant,
    raft: Raft,
    { index, term }: LogPosition,
    leads: boolean,
    configuration: Configuration,
  ): void {
    const known = this.#committed[index];
    if (known !== undefined) {
      check(known === term, "committed-stays", `${id} commits term ${term} at ${index}, where ${known} was`);
      return;
    }
    if (index !== this.#committed.length) return;
    const status = raft.status(0);
    this.#committed.push(term);
    this.#committedIn.push(status.term);
    if (!leads) return;
    check(term <= status.term, "commit-rule", `${id} commits an entry of a later term`);
    const has = (voter: RaftId): boolean => this.#nodes.get(voter)?.disk.has({ index, term }) ?? false;
    const { members, outgoing } = configuration;
    const onDisk = isMajority(members, has) && (outgoing === null || isMajority(outgoing, has));
    check(onDisk, "durable-quorum", `${id} commits ${index}, which no majority has on disk`);
  }

  /** Any majority before meets any majority after: nothing can be decided twice. */
  #follows(index: number, next: Configuration): void {
    const { members, outgoing } = this.#configuration ?? next;
    this.#configuration = next;
    if (outgoing !== null || next.outgoing !== null) return;
    const before = new Set(votersOf(members));
    const after = votersOf(next.members);
    const common = after.filter((id) => before.has(id)).length;
    const exchanged = before.size + after.length - 2 * common;
    check(exchanged <= 1, "overlap", `entry ${index} exchanges ${exchanged} voters in one step`);
  }

  /** A log never has two configurations that are not committed. */
  #oneChange({ id }: CheckedParticipant, raft: Raft, commit: number, last: number): void {
    if (last <= commit) return;
    const open = raft.openConfigurations;
    check(open <= 1, "one-change", `${id} has ${open} configurations that are not committed`);
  }

  #writes({ id, nature }: CheckedParticipant, entries: readonly Entry[]): void {
    const { witness } = nature.options;
    for (const { kind, index } of entries) {
      check(kind !== (witness ? "command" : "stripped"), "witness-data", `${id} writes ${index} as ${kind}`);
    }
  }

  /** At the end: one leads, whoever is a member has its log and its state, and has answered. What is missing, or null. */
  notEqualYet(nodes: readonly CheckedParticipant[], served: ReadonlySet<RaftId>): RaftViolation | null {
    const leader = nodes.find((node) => node.raft?.status(node.local).role === "leader");
    const status = leader?.raft?.status(leader.local);
    if (status === undefined) return new RaftViolation("service", "nobody leads after everything was healed");
    const { configuration, commit } = status;
    if (configuration.outgoing !== null)
      return new RaftViolation("service", "the joint configuration was never left");
    for (const { id, role } of everyone(configuration)) {
      const node = this.#nodes.get(id);
      const at = node?.raft?.log.commit ?? 0;
      if (at < commit)
        return new RaftViolation("convergence", `${id} knows of commit ${at}, the leader of ${commit}`);
      if (role === "witness" || node === undefined) continue;
      const { position, hash } = node.machine;
      if (position.index < commit)
        return new RaftViolation("convergence", `${id} has applied ${position.index} of ${commit}`);
      check(this.#hashes.get(position.index) === hash, "state-hash", `the state of ${id} differs`);
      if (!served.has(id)) return new RaftViolation("service", `${id} does not answer reads`);
    }
    return null;
  }
}

/** Counted here anew, so that a mistake in the core's own counting shows. */
function isMajority(members: readonly Member[], has: (id: RaftId) => boolean): boolean {
  let voters = 0;
  let having = 0;
  for (const { id, role } of members) {
    if (role === "learner") continue;
    voters++;
    if (has(id)) having++;
  }
  return having > voters / 2;
}

function check(holds: boolean, checker: string, what: string): void {
  if (!holds) throw new RaftViolation(checker, what);
}
