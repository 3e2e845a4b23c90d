/**
 * A node's Ed25519 signing key for tokens: made once, kept by its owner (see `issuer-key-file.ts`),
 * its public half published. As bytes it is a private JWK in JSON.
 */
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK } from "jose";
import { CaxtonError } from "../base/errors.ts";
import { decodeUtf8, encodeUtf8 } from "../wire/cursor.ts";
import type { Jwk } from "./jwks.ts";

export interface SigningKey {
  readonly privateKey: CryptoKey;
  readonly publicJwk: Jwk;
}

/** A new key as bytes for safe keeping. The secret never leaves them except into `readSigningKey`. */
export async function makeSigningKey(): Promise<Uint8Array<ArrayBuffer>> {
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const { kty, crv, x, d } = await exportJWK(privateKey);
  return encodeUtf8(`${JSON.stringify({ kty, crv, x, d })}\n`);
}

/** Throws `CaxtonError("data_corrupt")` for anything that `makeSigningKey` did not write; `what` names it there. */
export async function readSigningKey(bytes: Uint8Array, what = "The signing key"): Promise<SigningKey> {
  try {
    const { kty, crv, x, d } = JSON.parse(decodeUtf8(bytes)) as Record<string, unknown>;
    if (kty !== "OKP" || crv !== "Ed25519" || typeof x !== "string" || typeof d !== "string")
      throw new Error("not an Ed25519 key");
    const privateKey = await importJWK({ kty, crv, x, d }, "EdDSA");
    if (privateKey instanceof Uint8Array) throw new Error("not a key pair");
    const kid = await calculateJwkThumbprint({ kty, crv, x }, "sha256");
    return { privateKey, publicJwk: { kty, crv, x, kid, alg: "EdDSA", use: "sig" } };
  } catch (error) {
    // The cause could quote the secret: it is left out.
    const why = error instanceof SyntaxError ? "not JSON" : "not an Ed25519 key pair";
    throw new CaxtonError(
      "data_corrupt",
      `${what} cannot be read: ${why}. Restore it, or remove it to make a new one`,
    );
  }
}
