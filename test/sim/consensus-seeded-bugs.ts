/**
 * Mistakes in what surrounds the Raft core, as patches of our own sources: the driver, the log, the control state, its
 * snapshots, sessions and client. Played over seeds of consensus worlds each must be caught, by the checker that is
 * named for it. A patch whose text is no longer there fails its test.
 */
import type { RaftSeededBug } from "./raft-seeded-bugs.ts";

export const consensusSeededBugs: readonly RaftSeededBug[] = [
  {
    name: "answers leave before they are on disk",
    file: "cluster/consensus/driver.ts",
    text: "this.#outgoing.sendFirst(effects, ({ after }) => after === 0)",
    patched: "this.#outgoing.sendFirst(effects, ({ after }) => after >= 0)",
    checkers: ["durable-promise", "durable-ack"],
    always: true,
  },
  {
    name: "what a commit that failed had held back is done all the same",
    file: "cluster/consensus/driver.ts",
    text: "if (this.#failed) return false;",
    patched: "if (this.#failed) return true;",
    checkers: ["durable-promise", "durable-ack"],
  },
  {
    name: "the applied index is not in the transaction of what it counts",
    file: "control/held-entries.ts",
    text: "    this.#options.save();\n    this.#transaction?.commit();",
    patched:
      "    this.#transaction?.commit();\n" +
      '    this.#options.database.transaction(() => this.#options.save(), "relaxed");',
    checkers: ["convergence", "state-hash", "rows", "linearizability", "no-throw"],
    always: true,
  },
  {
    name: "what was applied in a transaction that was lost is not applied again",
    file: "control/held-entries.ts",
    text: "    this.#transaction = null;\n    this.#options.reload();",
    patched: "    this.#transaction = null;\n    this.#entries = [];\n    this.#options.reload();",
    checkers: ["convergence", "no-throw"],
    from: 13,
  },
  {
    name: "what is settled is not durable",
    file: "control/control-state.ts",
    text: 'writeSettled(this.#database, index), "durable");',
    patched: 'writeSettled(this.#database, index), "relaxed");',
    checkers: ["compaction", "no-throw"],
    always: "thorough",
  },
  {
    name: "a command that is sent again under its session's number takes effect again",
    file: "control/control-state.ts",
    text: "    if (before !== undefined) return before;\n    if (mark.sequence",
    patched: "    if (mark.sequence",
    checkers: ["linearizability"],
    from: 64,
  },
  {
    name: "a command that is sent again under its idempotency key takes effect again",
    file: "control/control-state.ts",
    text: "    if (before !== undefined) return before;\n    if (!this.#records",
    patched: "    if (!this.#records",
    checkers: ["rows", "linearizability"],
    from: 1,
  },
  {
    name: "a snapshot leaves rows that were there before",
    file: "control/snapshot-import.ts",
    text:
      "          DROP TABLE ${definition.name};\n" +
      "          ALTER TABLE ${stagedName(definition)} RENAME TO ${definition.name};\n" +
      "          ${createIndexes(definition)}`);",
    patched:
      "          INSERT OR REPLACE INTO ${definition.name} SELECT * FROM ${stagedName(definition)};\n" +
      "          DROP TABLE ${stagedName(definition)};`);",
    checkers: ["rows", "linearizability"],
    from: 9,
  },
  {
    name: "the log is replaced by a snapshot before the state is",
    file: "cluster/consensus/snapshots.ts",
    text: "    log.beginInstall(place);\n",
    patched: "    log.endInstall(place);\n",
    checkers: ["no-throw"],
    from: 49,
  },
  {
    name: "a read is answered from what is applied, without asking the leader",
    file: "cluster/consensus/desk.ts",
    text: 'if (request.consistency === "local") this.#reads',
    patched: 'if (request.consistency !== "late") this.#reads',
    checkers: ["linearizability"],
    always: "thorough",
  },
  {
    name: "whoever stands in a proposal's place answers for it",
    file: "cluster/consensus/proposals.ts",
    text: "    if (term !== proposal.position?.term) {",
    patched: "    if (term < 0) {",
    checkers: ["fencing", "no-throw", "linearizability"],
    from: 69,
  },
  {
    name: "a session is thought to end, and a new one made, while an answer is missing",
    file: "control/control-client.ts",
    text: "      const done = await this.#try(request, sequence, end_ms, unknown);",
    patched:
      "      const done = await this.#try(request, tries > 1 ? ++this.#sequence : sequence, end_ms, unknown);",
    checkers: ["linearizability"],
    from: 64,
  },
  {
    name: "a driver that begins anew in its process has not heard who greeted the one before",
    file: "cluster/consensus/greetings.ts",
    text: "    for (const [participant, boot] of options.heard) {",
    patched: "    for (const [participant, boot] of [...options.heard].slice(0, 0)) {",
    checkers: ["convergence", "service"],
    from: 19,
    always: "thorough",
  },
  {
    name: "a fence is open although the lock was released",
    file: "control/features/kv.ts",
    text: "if (held !== fence.token)",
    patched: "if (held !== 0 && held !== fence.token)",
    checkers: ["fencing"],
  },
];
