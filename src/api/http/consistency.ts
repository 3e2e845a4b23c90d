/** What routes over the control state share: how a read is to be answered, who asks, and under which key. */
import * as v from "valibot";
import { CaxtonError } from "../../base/errors.ts";
import type { Consistency } from "../../control/control-client.ts";
import type { Asker } from "../../control/kv-store.ts";
import type { NodeServices } from "../services.ts";
import { type ApiContext, replayOf } from "./request.ts";

/**
 * `local` asks no other node: quick, possible without a quorum, and perhaps old. Linearizable unless given; on a
 * node that is cut off from the majority local, and marked as such.
 */
export const consistencyField = v.optional(
  v.picklist(["linearizable", "local"], "not linearizable or local"),
);

/** How the read is to be answered. Throws `no_quorum` for one that this side of a partition cannot answer. */
export function consistencyOf(
  { partition }: Pick<NodeServices, "partition">,
  asked: Consistency | undefined,
): Consistency {
  if (!partition.minority || asked === "local") return asked ?? "linearizable";
  if (asked === undefined && partition.servesReads) return "local";
  throw new CaxtonError(
    "no_quorum",
    "This node is cut off from the majority: it cannot answer a linearizable read. " +
      "With ?consistency=local (--consistency local) it tells what it last knew, which may be old",
  );
}

/** Up to which log index the answer is, whether it may be old, and whether the node is cut off from the majority. */
export function readHeaders(
  { cluster }: Pick<NodeServices, "cluster">,
  consistency: Consistency,
  appliedIndex: number,
): Record<string, string> {
  const headers = { "caxton-consistency": consistency, "caxton-applied-index": String(appliedIndex) };
  return cluster.leader().quorum ? headers : { ...headers, "caxton-partition": "minority" };
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
  const principal = c.var.request.principal?.subject ?? "";
  return { principal, idempotencyKey: key, way: replayOf(c)?.way };
}
