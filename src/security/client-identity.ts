/**
 * Who a client of the API is among agents. Its address carries a tag that is the message's id, and whoever knows
 * the address could answer in another's place: so an id that follows from an Idempotency-Key does so under a
 * secret that every node of the cluster has, and nobody else.
 */
import { createHash, createHmac } from "node:crypto";
import type { MessageId } from "../base/ids.ts";
import { readUuid } from "../wire/message.ts";
import { deriveKey } from "./keyring.ts";

/** Of a subject as it is; one with a mark is longer, so that neither is ever the other. */
const plain_characters = 32;
const start_characters = 16;
const mark_characters = 32;

/** The secret of `idempotentId`, the same at every node of a cluster. */
export function messageIdentityKey(clusterKey: Uint8Array): Uint8Array {
  return deriveKey(clusterKey, "message identity");
}

/** The same for the same principal and key at every node: a UUID (version 8, RFC 9562) of their HMAC-SHA256. */
export function idempotentId(secret: Uint8Array, principal: string, key: string): MessageId {
  const digest = createHmac("sha256", secret)
    .update(JSON.stringify([principal, key]))
    .digest();
  const bytes = new Uint8Array(digest.subarray(0, 16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return readUuid(bytes, 0) as MessageId;
}

/**
 * A token's subject as it stands in addresses, after the `~`. One that cannot stand there as it is gets a mark
 * of its hash, so that no two subjects share a name.
 */
export function clientNameOf(subject: string): string {
  const name = subject.replaceAll(/[^A-Za-z0-9_-]/g, "_");
  const begins = /^[A-Za-z0-9]/.test(name);
  if (begins && name === subject && name.length <= plain_characters) return name;
  const mark = createHash("sha256").update(subject).digest("hex").slice(0, mark_characters);
  return `${begins ? "" : "c"}${name.slice(0, start_characters)}-${mark}`;
}
