/**
 * The witness: it votes by the ordinary up-to-date check on the (term, index) that it keeps, never leads, and holds no
 * commands. Its word counts toward commit only while no majority of data voters is in reach; while one is, it is told
 * of committed entries only, so that it never refuses a data voter that has everything committed.
 */
import { type Configuration, everyone, type RaftId } from "./configuration.ts";
import type { Entry } from "./entry.ts";
import type { Leadership } from "./leadership.ts";
import type { RaftState } from "./state.ts";

const nothing = new Uint8Array(0);

/** The entry as a witness keeps it. */
export function strip(entry: Entry): Entry {
  return entry.kind === "command" ? { ...entry, kind: "stripped", data: nothing } : entry;
}

/** Whether this log may hold the entry: a witness's no command, a data log nothing without its data. */
export function mayHold(state: RaftState, entry: Entry): boolean {
  return entry.kind !== (state.options.witness ? "command" : "stripped");
}

export function hasWitness(configuration: Configuration): boolean {
  return everyone(configuration).some(({ role }) => role === "witness");
}

/** The index that counts for commit when a majority has it. */
export function countedMatch(state: RaftState, leadership: Leadership, id: RaftId): number {
  if (id === state.self) return state.log.stable;
  const peer = leadership.peers.get(id);
  if (peer === undefined || (peer.role === "witness" && !leadership.witnessCounts)) return 0;
  return peer.match;
}

/** Decides anew whether witnesses count. Remembers where the log ended an election time-out ago. */
export function judgeWitnesses(state: RaftState, leadership: Leadership): void {
  const { configurations, now } = state;
  if (!hasWitness(configurations.current)) {
    leadership.witnessCounts = false;
    return;
  }
  const mark = endBefore(leadership, now - state.timing.election_ms);
  const inReach = configurations.quorum.satisfied((id) => isInReach(state, leadership, id, mark));
  leadership.witnessCounts = !inReach;
}

export function noteEnd(state: RaftState, leadership: Leadership): void {
  leadership.ends.push({ at: state.now, last: state.log.last.index });
  const keepFrom = state.now - 2 * state.timing.election_ms;
  while ((leadership.ends[1]?.at ?? Infinity) < keepFrom) leadership.ends.shift();
}

/** A data voter that answers, and has what the log had a time-out ago. */
function isInReach(state: RaftState, leadership: Leadership, id: RaftId, mark: number): boolean {
  if (id === state.self) return state.configurations.roleOf(id) === "voter";
  const peer = leadership.peers.get(id);
  if (peer === undefined || peer.role !== "voter" || peer.doubted) return false;
  if (state.now - peer.heard > state.timing.election_ms) return false;
  if (state.now - leadership.began <= state.timing.election_ms) return true;
  return peer.state === "replicate" && peer.match >= mark;
}

function endBefore({ ends }: Leadership, at: number): number {
  let last = 0;
  for (const end of ends) if (end.at <= at) last = end.last;
  return last;
}
