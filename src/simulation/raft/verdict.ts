/** What is said of a run: which invariant fell, if one did, and whether the clients' history could have happened. */
import { checkHistory, type HistoryEntry } from "../linearizability.ts";
import { RaftViolation } from "./checkers.ts";

export interface ViolationFound {
  readonly checker: string;
  readonly what: string;
  readonly at_ms: number;
}

/** Of what ended a run; anything that is no violation itself should not have been thrown. */
export function violationOf(thrown: unknown, at_ms: number): ViolationFound {
  if (thrown instanceof RaftViolation) return { checker: thrown.checker, what: thrown.message, at_ms };
  const what = thrown instanceof Error ? (thrown.stack ?? thrown.message) : "";
  return { checker: "no-throw", what, at_ms };
}

/** Throws when the history could not have happened one operation at a time, or nobody can tell. */
export function demandLinearizable(history: readonly HistoryEntry[]): void {
  const verdict = checkHistory(history);
  if (verdict.kind === "undecided")
    throw new RaftViolation("undecided", `the history of key ${verdict.key} is too tangled to judge`);
  if (verdict.kind === "violation")
    throw new RaftViolation("linearizability", `key ${verdict.key}: ${JSON.stringify(verdict.around)}`);
}
