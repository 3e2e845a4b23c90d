/** What became of one message that was handed to a router, a thread or another node. */

/** The index is the byte on the wire, so the order never changes. */
export const outcomes = [
  /** In the inbox; durably so when the agent is durable. */
  "accepted",
  "unknown_agent",
  /** The inbox is at its bound; retry later. */
  "queue_full",
  /** The agent gave up after its restarts. */
  "agent_failed",
  /** The store refused to take it (disk full, …); retry later. */
  "storage_failed",
  /** The bytes are no message, or break a rule of FIPA. */
  "invalid_message",
  /** Its reply-by passed before it could be delivered. */
  "expired",
  /** No way to the receiver at present; retry later. */
  "unreachable",
] as const;
export type Outcome = (typeof outcomes)[number];

/** The byte of an outcome. */
export function outcomeCode(outcome: Outcome): number {
  return outcomes.indexOf(outcome);
}

/** The outcome of a byte; `invalid_message` for one that this version does not know. */
export function outcomeOf(code: number): Outcome {
  return outcomes[code] ?? "invalid_message";
}

/** Whether trying the same message again later may help. */
export function isTransient(outcome: Outcome): boolean {
  return (
    outcome === "unknown_agent" ||
    outcome === "queue_full" ||
    outcome === "storage_failed" ||
    outcome === "unreachable"
  );
}
