/** What users are told when a command was refused: the outcome as an error. */
import { assert } from "../base/assert.ts";
import { CaxtonError } from "../base/errors.ts";
import type { ControlOutcome, OutcomeStatus } from "../wire/control-command.ts";

type Refused = Exclude<OutcomeStatus, "done">;

/** Returns for `done`; throws for the rest. `words` are for what only the command can say well. */
export function demandDone(
  outcome: ControlOutcome,
  what: string,
  words: Partial<Record<Refused, (outcome: ControlOutcome) => CaxtonError>>,
): void {
  if (outcome.status === "done") return;
  throw words[outcome.status]?.(outcome) ?? general(outcome, what);
}

function general({ status, value }: ControlOutcome, what: string): CaxtonError {
  switch (status) {
    case "limit":
      return new CaxtonError("limit_exceeded", `Cannot ${what}: the cluster's limit of ${value} is reached`);
    case "key_reused":
      return new CaxtonError(
        "conflict",
        "This Idempotency-Key was used for another request; a new one needs a new key",
      );
    case "sequence_forgotten":
      return new CaxtonError("outcome_unknown", `Cannot ${what}: its outcome was forgotten`);
    default:
      assert(status !== "done", "a refusal is not done");
      return new CaxtonError("conflict", `Cannot ${what}: ${status.replaceAll("_", " ")}`);
  }
}
