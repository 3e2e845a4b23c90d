/**
 * Keys made from keys. Every secret of a cluster descends from the cluster key by HKDF-SHA256 (RFC 5869)
 * with its own label, so that none tells anything of another. Nothing here is written to disk or log.
 */
import { createHash, hkdfSync } from "node:crypto";
import { assert } from "../base/assert.ts";
import { keyId_bytes } from "../wire/datagram.ts";

export const key_bytes = 32;
/** Keys that are accepted at once: enough for a rotation that overlaps another one. */
export const acceptedKeysLimit = 8;

/** One label a purpose; a label is never used for two. */
export type KeyLabel =
  | "gossip datagrams"
  | "certificate authority"
  | "certificate authority identity"
  | "token signing"
  | "gossip packet subkey"
  | "death certificate"
  | "cluster uuid"
  | "message identity";

/** `length` bytes for one purpose; `context` tells apart the keys of that purpose. */
export function deriveKey(
  secret: Uint8Array,
  label: KeyLabel,
  context: Uint8Array = new Uint8Array(0),
  length = key_bytes,
): Uint8Array<ArrayBuffer> {
  const prefix = new TextEncoder().encode(`caxton 1 ${label}\0`);
  const info = new Uint8Array(prefix.length + context.length);
  info.set(prefix);
  info.set(context, prefix.length);
  return new Uint8Array(hkdfSync("sha256", secret, new Uint8Array(0), info, length));
}

/** The key that seals gossip when the cluster has no explicit gossip keys. */
export function gossipKeyOf(clusterKey: Uint8Array): Uint8Array<ArrayBuffer> {
  return deriveKey(clusterKey, "gossip datagrams");
}

/** Which key it is, without telling the key: the first 8 bytes of its SHA-256. */
export function keyIdOf(key: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(key).digest().subarray(0, keyId_bytes));
}

export interface AcceptedKey {
  readonly id: Uint8Array;
  readonly secret: Uint8Array;
}

/** Several accepted keys, the first of which seals. Replaced whole when keys rotate. */
export class Keyring {
  readonly sealing: AcceptedKey;
  readonly #keys: readonly AcceptedKey[];

  constructor(secrets: readonly Uint8Array[]) {
    assert(secrets.length >= 1 && secrets.length <= acceptedKeysLimit, `1 to ${acceptedKeysLimit} keys`);
    assert(
      secrets.every((secret) => secret.length === key_bytes),
      `keys are ${key_bytes} bytes`,
    );
    this.#keys = secrets.map((secret) => ({ id: keyIdOf(secret), secret: secret.slice() }));
    this.sealing = this.#keys[0] as AcceptedKey;
  }

  find(id: Uint8Array): AcceptedKey | undefined {
    return this.#keys.find((key) => key.id.every((byte, i) => byte === id[i]));
  }
}
