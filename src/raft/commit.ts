/** When entries are committed: a majority has them on disk and they are of the leader's own term (section 5.4.2). */
import type { RaftState } from "./state.ts";
import { countedMatch } from "./witness.ts";

/** For a leader; what an older term left is committed together with the first entry of its own. */
export function advanceCommit(state: RaftState): void {
  const { log, leadership } = state;
  if (leadership === null) return;
  const agreed = state.configurations.quorum.agreed((id) => countedMatch(state, leadership, id));
  if (agreed > log.commit && log.term(agreed) === state.term) log.commitTo(agreed);
}

/** A leader that has committed an entry of its own term knows everything that was ever committed. */
export function isReady(state: RaftState): boolean {
  return state.leadership !== null && state.log.commit >= state.leadership.firstIndex;
}
