/**
 * The public keys of the cluster's token issuers, as one JWKS (RFC 7517, RFC 8037). Every node signs
 * with its own Ed25519 key; the public halves of all are spread, so a token from one is good at all.
 * A key's `kid` is its RFC 7638 thumbprint and is checked to be: no one can put a key under another's id.
 */
import { type CryptoKey, calculateJwkThumbprint, importJWK } from "jose";
import { CaxtonError } from "../base/errors.ts";

export interface Jwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
  readonly alg: "EdDSA";
  readonly use: "sig";
}

/** What the verifier needs of wherever the keys come from. `node/` feeds `ClusterKeys` from peers. */
export interface PublicKeys {
  all(): readonly Jwk[];
  /** Called after every change; returns what ends it. */
  subscribe(listener: () => void): () => void;
}

/** Keys of one owner (a node keeps an old one while its tokens live) and of all together. */
export const ownerKeyLimit = 8;
export const keyLimit = 4_096;
/** 32 bytes, or a SHA-256 thumbprint, in base64url without padding. */
const bytes32 = /^[A-Za-z0-9_-]{43}$/;

/** False for anything that cannot be a thumbprint, so that a made-up `kid` costs nothing. */
export function isKeyId(text: unknown): text is string {
  return typeof text === "string" && bytes32.test(text);
}

/** Checks one public key. Throws `CaxtonError("invalid_argument")`; private parts are refused, not dropped. */
export async function parseJwk(value: unknown): Promise<Jwk> {
  const { kty, crv, x, kid, d } = (typeof value === "object" && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  if (d !== undefined) throw refused("it holds a private key");
  if (kty !== "OKP" || crv !== "Ed25519") throw refused("it is not an Ed25519 key");
  if (typeof x !== "string" || !bytes32.test(x)) throw refused("x is not 32 bytes in base64url");
  if (kid !== (await calculateJwkThumbprint({ kty, crv, x }, "sha256"))) {
    throw refused("kid is not the key's own SHA-256 thumbprint");
  }
  return { kty, crv, x, kid: kid, alg: "EdDSA", use: "sig" };
}

/** Checks a `{ keys: [...] }` document of at most `ownerKeyLimit` keys. */
export async function parseJwkSet(value: unknown, limit = ownerKeyLimit): Promise<readonly Jwk[]> {
  const keys = (value as { readonly keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys))
    throw new CaxtonError("invalid_argument", 'A key set is an object with an array "keys"');
  if (keys.length > limit)
    throw new CaxtonError("invalid_argument", `A key set of ${keys.length} keys, at most ${limit}`);
  return await Promise.all(keys.map(parseJwk));
}

function refused(why: string): CaxtonError {
  return new CaxtonError("invalid_argument", `Public key refused: ${why}`);
}

/** Keys by owner (a node id). Whoever calls `set` has made sure that the keys come from that owner. */
export class ClusterKeys implements PublicKeys {
  readonly #owners = new Map<string, readonly Jwk[]>();
  readonly #listeners = new Set<() => void>();
  #all: readonly Jwk[] = [];

  /** Replaces an owner's keys. Throws `limit_exceeded`, and then nothing changed. */
  set(owner: string, keys: readonly Jwk[]): void {
    const others = this.#all.length - (this.#owners.get(owner)?.length ?? 0);
    if (keys.length > ownerKeyLimit || others + keys.length > keyLimit) {
      throw new CaxtonError(
        "limit_exceeded",
        `Too many public keys: ${keys.length} of ${JSON.stringify(owner)}, ${others} others`,
      );
    }
    const before = this.#owners.get(owner);
    if (before?.length === keys.length && keys.every((key, i) => key.kid === before[i]?.kid)) return;
    this.#owners.set(owner, keys);
    this.#changed();
  }

  remove(owner: string): void {
    if (this.#owners.delete(owner)) this.#changed();
  }

  all(): readonly Jwk[] {
    return this.#all;
  }

  owners(): ReadonlyMap<string, readonly Jwk[]> {
    return this.#owners;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #changed(): void {
    const unique = new Map<string, Jwk>();
    for (const keys of this.#owners.values()) for (const key of keys) unique.set(key.kid, key);
    this.#all = [...unique.values()];
    for (const listener of this.#listeners) listener();
  }
}

export async function importPublicKey(jwk: Jwk): Promise<CryptoKey> {
  const key = await importJWK({ kty: jwk.kty, crv: jwk.crv, x: jwk.x }, "EdDSA");
  if (key instanceof Uint8Array) throw refused("it is a secret");
  return key;
}
