/**
 * Bugs that others had in their Raft, or that a careless change would make, as patches of our own sources. Played over
 * seeds of random worlds each must be caught, by the checker that is named for it. A patch whose text is no longer
 * there fails its test, so the table cannot rot unnoticed.
 */
import type { Patch } from "../support/patched-tree.ts";

export interface RaftSeededBug extends Patch {
  readonly name: string;
  /** Those that may find it first; the usual one first. */
  readonly checkers: readonly string[];
  /** Rarer than the others: found in so many seeds, tried only with `CAXTON_SIM_BUGS=all`. */
  readonly seeds?: number;
}

export const raftSeededBugs: readonly RaftSeededBug[] = [
  {
    name: "a vote is not persisted",
    file: "raft/election.ts",
    text: "state.setPromise(term, from);",
    patched: "state.vote = from;",
    checkers: ["durable-promise"],
  },
  {
    name: "a second vote is given in a term",
    file: "raft/election.ts",
    text: "(state.vote === from || (state.vote === null && state.leader === null && !loyal));",
    patched: "state.leader === null && !loyal;",
    checkers: ["one-vote", "one-leader"],
  },
  {
    name: "a candidate asks for votes before its term is on disk",
    file: "raft/election.ts",
    text: 'state.send(id, { kind: "vote", term, pre, last, transfer });',
    patched: 'state.out.sendEarly(id, { kind: "vote", term, pre, last, transfer });',
    checkers: ["durable-promise"],
  },
  {
    name: "whoever asks is elected, however old its log",
    file: "raft/election.ts",
    text: "const granted = free && state.log.isUpToDate(message.last);",
    patched: "const granted = free;",
    checkers: ["leader-completeness", "committed-stays"],
  },
  {
    name: "a witness elects a stale leader",
    file: "raft/election.ts",
    text: "const granted = free && state.log.isUpToDate(message.last);",
    patched: "const granted = free && (state.options.witness || state.log.isUpToDate(message.last));",
    checkers: ["leader-completeness"],
    seeds: 1_000,
  },
  {
    name: "an entry of an older term is committed by counting",
    file: "raft/commit.ts",
    text: "agreed > log.commit && log.term(agreed) === state.term",
    patched: "agreed > log.commit",
    checkers: ["commit-rule"],
  },
  {
    name: "the leader counts itself before its own disk has the entry",
    file: "raft/witness.ts",
    text: "if (id === state.self) return state.log.stable;",
    patched: "if (id === state.self) return state.log.last.index;",
    checkers: ["durable-quorum"],
  },
  {
    name: "two leaders after a disk hangs: answers leave before they are on disk",
    file: "raft/outbox.ts",
    text: "const after = this.#lastPersist > this.#persisted ? this.#lastPersist : 0;",
    patched: "const after = 0;",
    checkers: ["durable-promise", "durable-ack"],
  },
  {
    name: "only the new members decide while the configuration is joint",
    file: "raft/quorum.ts",
    text: "return this.#outgoing === null ? agreed : Math.min(agreed, agreedOf(this.#outgoing, valueOf));",
    patched: "return agreed;",
    checkers: ["durable-quorum"],
  },
  {
    name: "learners count in a majority",
    file: "raft/configuration.ts",
    text: 'return members.filter(({ role }) => role !== "learner").map(({ id }) => id);',
    patched: "return members.map(({ id }) => id);",
    checkers: ["durable-quorum", "service"],
  },
  {
    name: "voters change without a joint configuration",
    file: "raft/membership-rules.ts",
    text: "return { members, outgoing: same ? null : current.members };",
    patched: "return { members, outgoing: same ? null : null };",
    checkers: ["overlap"],
  },
  {
    name: "a change of members over one that is not committed",
    file: "raft/membership.ts",
    text: 'if (this.#isPending()) return refuse("pending");',
    patched: "",
    checkers: ["one-change"],
  },
  {
    name: "a change of members before the first entry of the term is committed",
    file: "raft/membership.ts",
    text: 'if (!isReady(state)) return refuse("not-ready");',
    patched: "",
    also: {
      file: "raft/membership.ts",
      text: 'if (this.#isPending()) return refuse("pending");',
      patched: 'if (configurations.current.outgoing !== null) return refuse("pending");',
    },
    checkers: ["one-change"],
  },
  {
    name: "the joint configuration is never left",
    file: "raft/membership.ts",
    text: "configurations.current.outgoing !== null && log.commit >= configurations.index",
    patched: "configurations.current.outgoing !== null && log.commit < 0",
    checkers: ["service"],
  },
  {
    name: "whoever has its own removal in its log never campaigns",
    file: "raft/state.ts",
    text: '(configurations.roleOf(self) === "voter" || roleIn(configurations.at(log.commit), self) === "voter") &&',
    patched: 'configurations.roleOf(self) === "voter" &&',
    checkers: ["service"],
    seeds: 2_000,
  },
  {
    name: "a read before the first entry of the term is committed",
    file: "raft/reads.ts",
    text: "return this.#waiting.length > 0 && this.#confirming.length === 0 && isReady(this.state);",
    patched: "return this.#waiting.length > 0 && this.#confirming.length === 0;",
    also: {
      file: "raft/reads.ts",
      text: "if (this.#waiting.length === 0 || !isReady(this.state)) return;",
      patched: "if (this.#waiting.length === 0) return;",
    },
    checkers: ["linearizability"],
    seeds: 2_000,
  },
  {
    name: "a read without asking whether this is still the leader",
    file: "raft/reads.ts",
    text: "if (!options.leaseReads || leading.transfer !== null) return false;",
    patched: "if (leading.firstIndex >= 0) return true;",
    checkers: ["linearizability"],
    seeds: 2_000,
  },
  {
    name: "an old answer counts for a new read",
    file: "raft/heartbeats.ts",
    text: "peer.round = round;",
    patched: "peer.round = round + 1_000;",
    checkers: ["linearizability"],
    seeds: 2_000,
  },
  {
    name: "a read is answered before its index is applied",
    file: "raft/reads.ts",
    text: "if (read.index <= state.applied)",
    patched: "if (read.index <= Infinity)",
    checkers: ["linearizability"],
  },
  {
    name: "a lease counts although a hint can start an election",
    file: "raft/election.ts",
    text: "return lately && (state.options.leaseReads || (state.leader !== null && !state.leaderDoubted));",
    patched: "return lately && state.leader !== null && !state.leaderDoubted;",
    also: {
      file: "raft/election.ts",
      text: "if (!state.options.hints || state.leaderDoubted) return;",
      patched: "if (state.leaderDoubted) return;",
    },
    checkers: ["linearizability"],
    seeds: 2_000,
  },
  {
    name: "the only voter that is left campaigns while its leader's lease still counts",
    file: "raft/election.ts",
    text: "return state.leader === null && !this.#isLoyal();",
    patched: "return true;",
    checkers: ["linearizability"],
    seeds: 2_000,
  },
  {
    name: "a proposal tried again has its effect twice",
    file: "simulation/raft-machine.ts",
    text: "known.sequence >= sequence",
    patched: "known.sequence > sequence",
    checkers: ["linearizability"],
  },
  {
    name: "the applied index is not in the transaction of what it counts",
    file: "simulation/raft-machine.ts",
    text: "    this.#restore(this.#settled);\n",
    patched: "    this.#restore({ ...this.#settled, position: this.#position });\n",
    checkers: ["state-hash", "linearizability", "no-throw"],
  },
  {
    name: "entries are applied that the own disk does not have",
    file: "raft/applying.ts",
    text: "const end = Math.min(log.commit, log.stable);",
    patched: "const end = log.commit;",
    checkers: ["no-throw"],
  },
  {
    name: "the log is compacted past what is durably applied",
    file: "raft/applying.ts",
    text: "const index = Math.min(state.settled - leave, this.sending.pinned);",
    patched: "const index = Math.min(state.applied - leave, this.sending.pinned);",
    checkers: ["compaction"],
  },
  {
    name: "a snapshot replaces a newer log",
    file: "raft/snapshot-receiving.ts",
    text: "if (position.index <= log.commit) return true;",
    patched: "if (position.index > 0) return false;",
    checkers: ["monotone", "snapshot-order", "no-throw"],
  },
  {
    name: "a lost chunk of a snapshot is never sent again, and the transfer has no end",
    file: "raft/snapshot-sending.ts",
    text: "sending.next = from;",
    patched: "",
    also: {
      file: "raft/snapshot-sending.ts",
      text: "if (peer === undefined || now >= sending.deadline || (silent && !sending.installed)) {",
      patched: "if (peer === undefined || (silent && sending.deadline < 0)) {",
    },
    checkers: ["convergence"],
    seeds: 2_000,
  },
  {
    name: "an append is taken without looking at what comes before it",
    file: "raft/following.ts",
    text: "if (!log.matches(previous)) return",
    patched: "if (previous.index > log.last.index) return",
    checkers: ["state-machine-safety", "committed-stays", "leader-completeness", "no-throw"],
  },
  {
    name: "an old append takes back what came after it",
    file: "raft/following.ts",
    text: "if (conflict === undefined) return true;",
    patched:
      "if (conflict === undefined) {\n" +
      "      const end = entries.at(-1)?.index ?? Infinity;\n" +
      "      if (end >= log.commit) state.truncate(end + 1);\n" +
      "      return true;\n    }",
    checkers: ["convergence", "durable-quorum", "leader-completeness", "committed-stays", "no-throw"],
  },
  {
    name: "a heartbeat tells a follower of a commit that its log may not agree with",
    file: "raft/heartbeats.ts",
    text: "const commit = Math.min(peer.match, state.log.commit);",
    patched: "const { commit } = state.log;",
    checkers: ["committed-stays", "state-machine-safety", "stopped", "no-throw"],
  },
  {
    name: "a lost append is never sent again",
    file: "raft/progress.ts",
    text: "return oldest !== undefined && round >= oldest.round + roundsUntilLost;",
    patched: "return oldest !== undefined && round < 0;",
    checkers: ["convergence", "service"],
  },
  {
    name: "a witness is sent commands, and keeps them",
    file: "raft/witness.ts",
    text: 'return entry.kind === "command" ? { ...entry, kind: "stripped", data: nothing } : entry;',
    patched: "return nothing.length === 0 ? entry : entry;",
    also: {
      file: "raft/witness.ts",
      text: 'return entry.kind !== (state.options.witness ? "command" : "stripped");',
      patched: "return state.term >= entry.term - entry.term;",
    },
    checkers: ["witness-data"],
  },
  {
    name: "a witness campaigns",
    file: "raft/state.ts",
    text: "      !this.options.witness &&\n",
    patched: "",
    also: {
      file: "raft/state.ts",
      text: 'configurations.roleOf(self) === "voter" ||',
      patched: "configurations.roleOf(self) !== null ||",
    },
    checkers: ["witness-leads"],
  },
];
