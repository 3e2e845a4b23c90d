/**
 * The cluster key: 32 random bytes that every node of a cluster holds, and from which its other secrets
 * descend (keyring.ts). Kept as one line of base64url in `<data-dir>/cluster.key`, or given as text in
 * `CAXTON_CLUSTER_KEY`. Its text never appears in an error or log.
 */
import { CaxtonError } from "../base/errors.ts";
import type { Entropy } from "../ports/entropy.ts";
import { key_bytes } from "./keyring.ts";
import { readSecretFile, writeSecretFile } from "./tokens-file.ts";

/** 32 bytes in base64url without padding; the last character carries four bits. */
const keyText = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/** The key of a text; `source` says in the error where the text came from. Throws `invalid_config`. */
export function parseClusterKey(text: string, source: string): Uint8Array<ArrayBuffer> {
  const trimmed = text.trim();
  if (!keyText.test(trimmed)) {
    throw new CaxtonError(
      "invalid_config",
      `${source} is not a cluster key (one line of 43 base64url characters): copy cluster.key from another ` +
        "node of the cluster, or remove it to begin a new cluster",
    );
  }
  return new Uint8Array(Buffer.from(trimmed, "base64url"));
}

export function formatClusterKey(key: Uint8Array): string {
  return Buffer.from(key).toString("base64url");
}

/**
 * Reads the key file; undefined when there is none. Throws `CaxtonError`: `invalid_config` when its
 * content is no key or other users may read it, `storage_failed`.
 */
export async function readClusterKey(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = await readSecretFile(path);
  return bytes && parseClusterKey(new TextDecoder().decode(bytes), JSON.stringify(path));
}

/** Writes the key file: whole or not at all, readable by its owner only. */
export async function writeClusterKey(path: string, key: Uint8Array): Promise<void> {
  await writeSecretFile(path, new TextEncoder().encode(`${formatClusterKey(key)}\n`));
}

/** Reads the key, making and saving one at the first start. The caller holds the lock of the data directory. */
export async function loadClusterKey(path: string, entropy: Entropy): Promise<Uint8Array<ArrayBuffer>> {
  const kept = await readClusterKey(path);
  if (kept) return kept;
  const made = entropy.bytes(key_bytes);
  await writeClusterKey(path, made);
  return made;
}
