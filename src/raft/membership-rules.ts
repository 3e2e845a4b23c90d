/** Which changes of members are sound, and the configuration that begins one. Pure functions of values. */
import {
  type Configuration,
  type Member,
  membersLimit,
  priorityLimit,
  type RaftId,
  roleIn,
  votersLimit,
} from "./configuration.ts";
import type { MembershipResult } from "./effects.ts";

type Refusal = Extract<MembershipResult, { readonly kind: "refused" }>["reason"];

/** Null when `members` may follow `current`. `caughtUp` tells of one that is to begin to hold data as a voter. */
export function refusalOf(
  current: Configuration,
  members: readonly Member[],
  caughtUp: (id: RaftId) => boolean,
): Refusal | null {
  if (members.length > membersLimit) return "too-many";
  if (new Set(members.map(({ id }) => id)).size !== members.length) return "invalid";
  if (
    members.some(
      ({ priority }) => !(Number.isInteger(priority) && priority >= 0 && priority <= priorityLimit),
    )
  )
    return "invalid";
  const data = members.filter(({ role }) => role === "voter").length;
  const voters = members.filter(({ role }) => role !== "learner").length;
  if (voters > votersLimit) return "too-many";
  // Otherwise no entry could be committed without a witness, which keeps none.
  if (2 * data <= voters) return "no-voters";
  for (const { id, role } of members) {
    const before = roleIn(current, id);
    // A witness's log has no commands: it never becomes a data member, nor the other way round.
    if (before !== null && (before === "witness") !== (role === "witness")) return "role-change";
    if (role === "voter" && before !== "voter" && !caughtUp(id)) return "not-caught-up";
  }
  return null;
}

/** Joint when the voters change; learners and priorities change in one step, since no majority depends on them. */
export function firstStep(current: Configuration, members: readonly Member[]): Configuration {
  const same = sameVoters(current.members, members);
  return { members, outgoing: same ? null : current.members };
}

export function leave({ members }: Configuration): Configuration {
  return { members, outgoing: null };
}

function sameVoters(a: readonly Member[], b: readonly Member[]): boolean {
  const votersOfA = a.filter(({ role }) => role !== "learner");
  const votersOfB = b.filter(({ role }) => role !== "learner");
  return (
    votersOfA.length === votersOfB.length &&
    votersOfA.every(({ id, role }) => votersOfB.some((other) => other.id === id && other.role === role))
  );
}
