/** A queued write's head: all that is needed to do it later but its body, as it stands on disk. */
import * as v from "valibot";
import type { WriteToQueue } from "../../api/partition-service.ts";
import { isRole, type Role } from "../../security/roles.ts";
import type { QueuedWriteRow } from "../../store/queued-writes-table.ts";

const headSchema = v.strictObject({
  method: v.string(),
  path: v.string(),
  headers: v.record(v.string(), v.string()),
  subject: v.string(),
  roles: v.array(v.custom<Role>(isRole)),
  tokenId: v.string(),
  keyId: v.string(),
  expires_s: v.number(),
  requestId: v.string(),
  observed: v.nullable(v.number()),
});
export type QueuedHead = v.InferOutput<typeof headSchema>;

export function headTextOf(write: WriteToQueue): string {
  const { principal, method, path, headers, requestId, observed } = write;
  const { subject, tokenId, keyId, expires_s } = principal;
  const roles = [...principal.roles];
  const token = { subject, roles, tokenId, keyId, expires_s };
  const head: QueuedHead = { method, path, headers: { ...headers }, ...token, requestId, observed };
  return JSON.stringify(head);
}

/** Undefined for what another version of the program wrote otherwise. */
export function headOf({ head }: Pick<QueuedWriteRow, "head">): QueuedHead | undefined {
  try {
    const read = v.safeParse(headSchema, JSON.parse(head));
    return read.success ? read.output : undefined;
  } catch {
    return undefined;
  }
}
