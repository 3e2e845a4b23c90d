/** What the answer to a replayed write says of it: settled, not done at all, or not clear yet. */
import type { Replay } from "../../api/http/request.ts";
import { type ErrorCode, isErrorCode } from "../../base/errors.ts";
import type { QueuedWriteOutcome } from "../../store/queued-writes-table.ts";

export type Judgement =
  | {
      readonly kind: "settled";
      readonly outcome: QueuedWriteOutcome;
      readonly detail: string;
      readonly version: number | null;
    }
  /** There is no quorum: nothing happened. */
  | { readonly kind: "undone" }
  /** It may have happened, or may work later: again, under the same key. */
  | { readonly kind: "unclear"; readonly detail: string };

const lost: ReadonlySet<ErrorCode> = new Set([
  "conflict",
  "precondition_failed",
  "already_exists",
  "not_found",
  "agent_not_found",
  "node_not_found",
]);
const passing: ReadonlySet<ErrorCode> = new Set([
  "outcome_unknown",
  "timeout",
  "unavailable",
  "unreachable",
  "too_many_requests",
  "queue_full",
  "no_capacity",
  "disk_full",
  "storage_failed",
  "internal",
]);

export async function judgeAnswer(answer: Response, replay: Replay): Promise<Judgement> {
  if (answer.ok) {
    await answer.body?.cancel();
    return { kind: "settled", outcome: "applied", detail: appliedText(replay), version: replay.after };
  }
  const { code, detail } = await problemOf(answer);
  if (code === "no_quorum" || code === "degraded") return { kind: "undone" };
  if (passing.has(code)) return { kind: "unclear", detail };
  const outcome = lost.has(code) ? "conflicted" : "refused";
  return { kind: "settled", outcome, detail, version: null };
}

/** What is told of one that took effect; empty where nothing but that is to be told. */
export function appliedText({ expected, before, after }: Replay): string {
  if (after === null) return "";
  // Versions rise: a higher one was written over this one, of which an earlier try took effect.
  const isBefore = before !== null && (after === 0 ? before !== 0 : before < after);
  const isOver = isBefore && before !== expected;
  if (after === 0)
    return isOver ? `gone now, with version ${before}, which was written meanwhile` : "gone now";
  return isOver
    ? `now at version ${after}, over ${before}, which was written meanwhile`
    : `now at version ${after}`;
}

async function problemOf(answer: Response): Promise<{ readonly code: ErrorCode; readonly detail: string }> {
  try {
    const { code, detail } = (await answer.json()) as { readonly code?: unknown; readonly detail?: unknown };
    if (typeof code === "string" && isErrorCode(code)) return { code, detail: String(detail) };
  } catch {
    // No problem document: as good as a failure of the node itself.
  }
  return { code: "internal", detail: `The answer was ${answer.status}` };
}
