/**
 * Another's word that a member has failed, about one that had no time to speak up here: an accusation like
 * others, only with less time. So neither a minority that comes back with its judgement of the majority, nor a
 * liar, evicts whoever is well: the accused hears of it from everybody at once, and refutes.
 */
import type { NodeId } from "../base/ids.ts";
import { compareIncarnations, type Incarnation } from "../wire/gossip-values.ts";
import { isPresent, type SwimMember } from "./members.ts";
import type { SwimState } from "./state.ts";
import { applyFailed, applySuspect, type Verdict, wasApart } from "./updates.ts";

/** For the word to reach the accused and the refutation to come back, in probe periods. */
const refutationPeriods = 2;

/** What `applyFailed` is for whatever others say. */
export function hearFailed(
  state: SwimState,
  node: NodeId,
  incarnation: Incarnation,
  accuser: NodeId,
): Verdict {
  const member = state.members.get(node);
  const isJudged = member !== undefined && isPresent(member) && node !== state.self && !state.plain;
  const isHeard = state.members.get(accuser) !== undefined && !wasApart(state, accuser);
  const isEarly = isJudged && refutableUntil(state, member, incarnation) > state.now;
  // Whose accusations count for nothing ends none of others either.
  if (!isJudged || (isHeard && !isEarly)) return applyFailed(state, node, incarnation, accuser);
  const verdict = applySuspect(state, node, incarnation, accuser, `${accuser} says that it failed`);
  // Shortly before its end a suspicion is told its subject: so now.
  if (isHeard && member.suspicion?.hasHeard(accuser) === true)
    member.suspicion.shorten(refutableUntil(state, member, incarnation));
  return verdict;
}

/** What it is suspected of at an older incarnation it has refuted, though the word of that was not heard here. */
function refutableUntil(state: SwimState, member: SwimMember, said: Incarnation): number {
  const isOld = compareIncarnations(said, member.incarnation) > 0;
  const began = isOld ? state.now : (member.suspicion?.began ?? state.now);
  return began + refutationPeriods * state.timing.probe_ms;
}
