/**
 * Bugs that others had, as patches of our own sources: each makes one scenario break one invariant. A patch
 * whose text is no longer there fails its test, so the table cannot rot unnoticed.
 */
import type { Patch } from "../support/patched-tree.ts";

export interface SeededBug extends Patch {
  readonly name: string;
  /** In `test/sim/scenarios/`. */
  readonly scenario: string;
  /** The checker that catches it. */
  readonly checker: string;
  /** Also tried in every run of the tests, being quick. */
  readonly always?: true;
}

export const seededBugs: readonly SeededBug[] = [
  {
    name: "a stale alive revives the dead",
    file: "swim/updates.ts",
    text: '    if (member.status === "alive") return "ignored";\n    return refuse(state, "stale", stale);\n',
    patched: '    if (member.status === "alive") return "ignored";\n',
    scenario: "crash-and-restart",
    checker: "resurrection",
  },
  {
    name: "push/pull teaches a newcomer the dead as alive",
    file: "swim/updates.ts",
    text: "if (!known && gone) return learnGone(state, row);",
    patched: "if (!known && gone) return applyAlive(state, row, source);",
    scenario: "late-joiner",
    checker: "resurrection",
    always: true,
  },
  {
    name: "the boot epoch does not count: a restarted node stays dead",
    file: "wire/gossip-values.ts",
    text: "return a.boot === b.boot ? a.counter - b.counter : a.boot - b.boot;",
    patched: "return a.counter - b.counter;",
    also: {
      file: "swim/refutation.ts",
      text: "const newer = compareIncarnations(said, me.incarnation);",
      patched:
        'if (said.boot < me.incarnation.boot) return "ignored";\n' +
        "  const newer = compareIncarnations(said, me.incarnation);",
    },
    scenario: "crash-and-restart",
    checker: "joining",
  },
  {
    name: "a refutation does not raise the incarnation",
    file: "swim/refutation.ts",
    text: "Math.max(said.counter, me.incarnation.counter) + 1 }",
    patched: "Math.max(said.counter, me.incarnation.counter) }",
    scenario: "few-nodes",
    checker: "storms",
  },
  {
    name: "a suspicion is never refuted",
    file: "swim/refutation.ts",
    text: 'if (state.phase === "leaving") return "ignored";',
    patched: 'if (state.phase === "leaving" || what === "suspect") return "ignored";',
    scenario: "short-pauses",
    checker: "false-failure",
    always: true,
  },
  {
    name: "an accuser raises the incarnation of the accused",
    file: "swim/updates.ts",
    text: 'const record = encodeRecord({ kind: "suspect", node: member.id, incarnation: member.incarnation, accuser });',
    patched:
      "const { boot, counter } = member.incarnation;\n" +
      '  const record = encodeRecord({ kind: "suspect", node: member.id, incarnation: { boot, counter: counter + 1 }, accuser });',
    scenario: "short-pauses",
    checker: "incarnations",
  },
  {
    name: "a suspicion never becomes a failure",
    file: "swim/suspicion.ts",
    text: "return Math.min(deadline, this.#shortDeadline);",
    patched: "return deadline + Infinity;",
    scenario: "removal",
    checker: "detection",
    always: true,
  },
  {
    name: "a helper never nacks",
    file: "swim/probing.ts",
    text: 'this.#answer(relay, "nack");',
    patched: "",
    scenario: "removal",
    checker: "local-health",
    always: true,
  },
  {
    name: "a helper does not pass the ack on, and no stream is tried",
    file: "swim/probing.ts",
    text: 'this.#answer(relay, "ack");',
    patched: "",
    scenario: "partial-cut",
    checker: "false-suspicion",
    always: true,
  },
  {
    name: "a member heard of lately is not suspected: one that hears nothing is not found out",
    file: "swim/probing.ts",
    text: "if (member && compareIncarnations(member.incarnation, probe.incarnation) > 0) return;",
    patched: "if (member && this.state.now - member.heard < 10_000) return;",
    scenario: "one-way-cut",
    checker: "detection",
  },
  {
    name: "a hanging main thread is not noticed",
    file: "cluster/gossip-heartbeat.ts",
    text: "return this.#missed > missedLimit;",
    patched: "return false;",
    scenario: "long-pauses",
    checker: "detection",
  },
  {
    name: "a hint is taken as proof: the answer of the hinted member does not save it",
    file: "swim/hints.ts",
    text: "if (!urgent.sequences.has(sequence)) continue;",
    patched: "if (urgent.sequences.size >= 0) continue;",
    scenario: "hints",
    checker: "false-suspicion",
    always: true,
  },
  {
    name: "tombstones are never reaped",
    file: "swim/failing.ts",
    text: "if (isPresent(member)) continue;",
    patched: "if (member.id !== undefined) continue;",
    scenario: "goodbyes",
    checker: "departures",
  },
  {
    name: "a removal is not passed on",
    file: "swim/removal.ts",
    text: 'state.rumors.add(memberKey(node), "membership", encodeRecord({ kind: "removed", node, incarnation }));',
    patched: "",
    scenario: "removal",
    checker: "departures",
  },
  {
    name: "a removal is lost with its packets: tables do not carry it",
    file: "swim/removal.ts",
    text: "if (age_ms >= state.timing.grave_ms) return",
    patched: "if (age_ms >= 0) return",
    scenario: "removal-behind-a-cut",
    checker: "departures",
    always: true,
  },
  {
    name: "another's failed is believed at once: who was cut off takes the others down",
    file: "swim/early-failure.ts",
    text: "return began + refutationPeriods * state.timing.probe_ms;",
    patched: "return began - refutationPeriods;",
    scenario: "cut-as-long-as-suspicion",
    checker: "false-failure",
    always: true,
  },
  {
    name: "a goodbye is not believed",
    file: "swim/updates.ts",
    text: 'setStatus(state, member, "left");\n  spreadMember(state, member);',
    patched: 'setStatus(state, member, "failed");\n  spreadMember(state, member);',
    scenario: "goodbyes",
    checker: "departures",
  },
  {
    name: "an incarnation of any size is believed of the accused",
    file: "swim/updates.ts",
    text: "|| step > counterStepLimit) {",
    patched: "|| step < 0) {",
    scenario: "attacks",
    checker: "incarnations",
    always: true,
  },
  {
    name: "a start in the far future is believed",
    file: "swim/updates.ts",
    text: "return next.boot <= state.bootCeiling && next.counter <= counterLimit / 2;",
    patched: "return true;",
    scenario: "attacks",
    checker: "incarnations",
  },
  {
    name: "nothing is ever refuted: a partition never heals",
    file: "swim/refutation.ts",
    text: 'if (state.phase === "leaving") return "ignored";',
    patched: 'if (state.phase === "leaving" || what === "failed" || what === "suspect") return "ignored";',
    scenario: "hidden-seeds",
    checker: "false-suspicion",
  },
  {
    name: "the directory is starved: packets have no room for its news and heads",
    file: "cluster/gossip-driver.ts",
    text: 'spread: (key, bytes) => this.#step({ kind: "rumor", key, priority: "directory", bytes }),',
    patched: "spread: () => {},",
    also: {
      file: "cluster/gossip-driver.ts",
      text: "joinRecords([...effect.records, ...this.#sync.heads(effect.node)]),",
      patched: "joinRecords(effect.records),",
    },
    scenario: "directory",
    checker: "directory-news",
  },
  {
    name: "a replayed packet is accepted",
    file: "security/gossip-sealer.ts",
    text: 'return known.window.isFresh(header.counter) ? undefined : "replayed";',
    patched: "return undefined;",
    scenario: "attacks",
    checker: "packet-trust",
    always: true,
  },
  {
    name: "a packet's seal is not checked",
    file: "security/gossip-sealer.ts",
    text: "      aes.final();\n    } catch {\n      return undefined;\n    }\n    return new Uint8Array(payload);",
    patched:
      "      aes.getAuthTag;\n    } catch {\n      return undefined;\n    }\n    return new Uint8Array(payload);",
    scenario: "attacks",
    checker: "packet-trust",
  },
  {
    name: "packets have no limit",
    file: "swim/packets.ts",
    text: "const budget_bytes = payloadLimit_bytes - reserved_bytes - version_bytes;",
    patched: "const budget_bytes = 4 * payloadLimit_bytes - reserved_bytes - version_bytes;",
    scenario: "lossy",
    checker: "packet-size",
  },
  {
    name: "a packet of old accusations has an answer of any size",
    file: "swim/packets.ts",
    text: "if (record.length > left_bytes) {",
    patched: "if (record.length === 0) {",
    also: {
      file: "swim/hearing.ts",
      text: "this.#corrections.set(node, records);",
      patched: "this.#answers.push(...records);",
    },
    scenario: "attacks",
    checker: "packet-size",
    always: true,
  },
  {
    name: "news is passed on for ever",
    file: "swim/dissemination.ts",
    text: "if (rumor.sent >= limit) continue;",
    patched: "if (rumor.sent >= 100 * limit) continue;",
    scenario: "crash-and-restart",
    checker: "idle-load",
  },
  {
    name: "a deadline that has passed wakes its node for ever",
    file: "swim/failing.ts",
    text: "if (deadline > state.now) continue;",
    patched: "if (deadline > 0) continue;",
    scenario: "removal",
    checker: "no-throw",
  },
];
