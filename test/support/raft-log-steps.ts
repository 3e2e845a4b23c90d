/** The same history of a Raft log each time, step by step: step n ends with term n + 1 in the hard state. */
import { parseNodeId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { type Configuration, defaultMember, raftIdOf } from "../../src/raft/configuration.ts";
import { encodeConfiguration } from "../../src/raft/configuration-codec.ts";
import type { Entry } from "../../src/raft/entry.ts";
import type { RaftLogOwner } from "../../src/store/raft-boots.ts";
import type { RaftLog } from "../../src/store/raft-log.ts";

const node = parseNodeId("node-1");

export function raftLogOwner(boot: number): RaftLogOwner {
  return { node, boot };
}

export function configurationOfOne(identity: number): Configuration {
  return { members: [defaultMember(raftIdOf(node, identity), "voter")], outgoing: null };
}

/** What a log is: everything that a core would read of it. */
export interface LogPicture {
  readonly term: number;
  readonly base: number;
  readonly entries: readonly (readonly [index: number, term: number, kind: string, data: string])[];
}

export function pictureOf(log: RaftLog): LogPicture {
  const entries: Entry[] = [];
  while (log.base.index + entries.length < log.last.index)
    entries.push(...log.entries(log.base.index + entries.length + 1, log.last.index, 100_000));
  return {
    term: log.hardState.term,
    base: log.base.index,
    entries: entries.map(({ index, term, kind, data }) => [
      index,
      term,
      kind,
      Buffer.from(data).toString("base64"),
    ]),
  };
}

/** Goes on from whatever the log is after step − 1. */
export function raftLogStep(log: RaftLog, seed: number, step: number): void {
  const prng = new Prng(seed * 1_000_003 + step);
  const term = step + 1;
  const { last, base } = log;
  const cut = last.index - base.index > 3 && prng.chance(0.2) ? last.index - prng.below(3) : null;
  let index = cut === null ? last.index : cut - 1;
  const entries = Array.from({ length: prng.between(1, 6) }, (): Entry => {
    index++;
    const isConfiguration = prng.chance(0.05);
    const data = isConfiguration
      ? encodeConfiguration(configurationOfOne(term))
      : Uint8Array.from({ length: prng.below(400) }, () => prng.below(256));
    return { index, term, kind: isConfiguration ? "configuration" : "command", data };
  });
  const vote = prng.chance(0.5) ? raftIdOf(node, term) : null;
  log.persist([{ hardState: { term, vote, commit: base.index }, reset: null, truncateFrom: cut, entries }]);
  if (prng.chance(0.1) && log.last.index - log.base.index > 40) {
    const at = log.last.index - 30;
    log.compact({ index: at, term: log.term(at) }, configurationOfOne(1));
    while (log.tidy());
  }
}
