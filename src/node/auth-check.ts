/**
 * The rows of `cluster verify-auth`: what a comparison of keys with a member gave, and what kept a
 * stranger out. A refusal is known by its text, which a test takes from where refusals are made.
 */
import type { AuthCheckRow, AuthProblem } from "../api/services.ts";
import type { AuthComparison } from "./identity/fingerprints.ts";

/** Of a node whose key and certificate are as they should be. */
export const matching = { gossip_key: "match", certificate: "match", problem: null } as const;

/** Our own words for refusals, the most telling first; what is known of the keys then. */
const refusals: readonly (readonly [RegExp, AuthProblem])[] = [
  [/ is in use by /, "duplicate_id"],
  [
    / not in "|another cluster of the same name|belongs to the cluster|another cluster's name/,
    "other_cluster",
  ],
  [/is an old copy/, "old_data"],
  [/in the future|clocks right/, "wrong_clock"],
  [/\bprotocol\b/, "version"],
  [/cluster key/, "wrong_key"],
  [/certificate/, "wrong_certificate"],
];

export function comparedRow(
  node: string,
  { gossip, certificate, sealsWith, rotating }: AuthComparison,
): AuthCheckRow {
  if (gossip && certificate) {
    return { node, ...matching, detail: `seals with key ${sealsWith}${rotating ? ", being rotated" : ""}` };
  }
  return {
    node,
    gossip_key: gossip ? "match" : "mismatch",
    certificate: certificate ? "match" : "mismatch",
    problem: gossip ? "wrong_certificate" : "wrong_key",
    detail: gossip
      ? "its certificates come from another authority than this node's"
      : `it seals gossip with key ${sealsWith}, which this node does not accept, or takes none of this node's`,
  };
}

/** Of one that was turned away: only what the refusal was about is a mismatch. */
export function refusedRow(source: string, reason: string): AuthCheckRow {
  const problem = refusals.find(([pattern]) => pattern.test(reason))?.[1] ?? "other";
  return {
    node: source,
    gossip_key: problem === "wrong_key" ? "mismatch" : "unknown",
    certificate: problem === "wrong_certificate" ? "mismatch" : "unknown",
    problem,
    detail: `refused: ${reason}`,
  };
}
