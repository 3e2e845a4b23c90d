/** What routes over the control state share: how a read is to be answered, who asks, and under which key. */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import type { Asker } from "../../control/kv-store.ts";
import type { ApiContext } from "./request.ts";

/** `local` asks no other node: quick, possible without a quorum, and perhaps old. */
export const consistencyField = v.optional(
  v.picklist(["linearizable", "local"], "not linearizable or local"),
  "linearizable",
);

/** Up to which log index the answer is, and whether it may be old. */
export function readHeaders(consistency: "linearizable" | "local", appliedIndex: number) {
  return { "caxton-consistency": consistency, "caxton-applied-index": String(appliedIndex) };
}

const idempotencyKey = /^[!-~]{1,255}$/;

/** Throws `invalid_argument` for an Idempotency-Key that is none. */
export function askerOf(c: ApiContext): Asker {
  const key = c.req.header("idempotency-key") ?? null;
  if (key !== null && !idempotencyKey.test(key)) {
    throw new CaxtonError(
      "invalid_argument",
      "Idempotency-Key is not 1 to 255 printable ASCII characters without spaces",
    );
  }
  return { principal: c.var.request.principal?.subject ?? "", idempotencyKey: key };
}
