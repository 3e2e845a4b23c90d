/**
 * Writes of the queue that are done at the same time: each by its own handler, their commands in one entry of the log
 * in the queue's order. What becomes of each is told; keeping it is the queue's.
 */
import type { Replay } from "../../api/http/request.ts";
import type { CommandBatch, CommandWay } from "../../control/command-batch.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Principal } from "../../security/tokens.ts";
import type { QueuedWriteOutcome, QueuedWriteToDo } from "../../store/queued-writes-table.ts";
import { headOf, type QueuedHead } from "./queued-head.ts";
import { appliedText, judgeAnswer, type Judgement } from "./replay-judgement.ts";

/** As long as the control state remembers Idempotency-Keys: older, nobody can tell whether it was done elsewhere. */
export const queuedWriteAge_ms_max = 24 * 3_600_000;

/** The API's own `fetch`, told that it is a replay. */
export type Perform = (request: Request, environment: { readonly replay: Replay }) => Promise<Response>;

export interface RoundOptions {
  readonly perform: Perform;
  readonly together: (requests: number) => CommandBatch;
  readonly clock: Clock;
  /** Why the principal may not do it any more, whatever its roles; null when it may. */
  readonly revoked: (principal: Principal) => string | null;
}

/** Judgements in the order of the writes. Throws when a handler could not be asked; others may have been done then. */
export async function replayRound(
  writes: readonly QueuedWriteToDo[],
  options: RoundOptions,
): Promise<readonly Judgement[]> {
  const batch = writes.length > 1 ? options.together(writes.length) : undefined;
  const judged = await Promise.allSettled(
    writes.map(async (write, at) => {
      let settled = false;
      try {
        const done = await doOne(write, batch?.slot(at), options);
        settled = done.judgement.kind === "settled";
        return done;
      } finally {
        batch?.finished(at, settled);
      }
    }),
  );
  /** Versions that writes of this round left: of each of them the next one of its subject knew as little as was on disk. */
  const left = new Map<string, number>();
  return judged.map((result, at) => {
    if (result.status === "rejected") throw result.reason;
    const { judgement, replay } = result.value;
    if (judgement.kind !== "settled" || judgement.outcome !== "applied") return judgement;
    const subject = writes[at]?.subject ?? "";
    const before = left.get(subject);
    if (replay?.after === undefined || replay.after === null) return judgement;
    left.set(subject, replay.after);
    if (before === undefined) return judgement;
    return { ...judgement, detail: appliedText({ ...replay, expected: before, before }) };
  });
}

async function doOne(
  write: QueuedWriteToDo,
  way: CommandWay | undefined,
  { perform, clock, revoked }: RoundOptions,
): Promise<{ readonly judgement: Judgement; readonly replay?: Replay }> {
  const begun = write.state === "replaying";
  if (clock.wall_ms() - write.at_ms > queuedWriteAge_ms_max) {
    const unsure = begun ? "; an earlier try of it may have taken effect" : "";
    return { judgement: settle("expired", `It waited for more than a day${unsure}`) };
  }
  const head = headOf(write);
  if (head === undefined)
    return { judgement: settle("refused", "This version of the program cannot read it any more") };
  const { subject, roles, tokenId, keyId, expires_s } = head;
  const principal: Principal = { subject, roles, tokenId, keyId, expires_s };
  const why = revoked(principal);
  if (why !== null) return { judgement: settle("refused", why) };
  const expected = write.versionLeft ?? head.observed;
  const replay: Replay = { principal, begun, expected, way, before: null, after: null };
  const judgement = await judgeAnswer(await perform(requestOf(write, head), { replay }), replay);
  return { judgement, replay };
}

function settle(outcome: QueuedWriteOutcome, detail: string): Judgement {
  return { kind: "settled", outcome, detail, version: null };
}

/** As it came; without a key of its own it has one by its id, so that no retry does it twice. */
function requestOf({ id, body }: QueuedWriteToDo, head: QueuedHead): Request {
  const { method, path, headers, requestId } = head;
  return new Request(`http://replay${path}`, {
    method,
    headers: { "idempotency-key": `queued-write:${id}`, ...headers, "x-request-id": requestId },
    ...(body.length === 0 ? {} : { body: body as Uint8Array<ArrayBuffer> }),
  });
}
