/** The signing key in a file that only its owner may read: `<data-dir>/signing.key`. */
import { type SigningKey, makeSigningKey, readSigningKey } from "./issuer-key.ts";
import { readSecretFile, writeSecretFile } from "./tokens-file.ts";

/** Reads the key, making and saving one at the first start. Throws `CaxtonError` of the file or of `readSigningKey`. */
export async function loadSigningKey(path: string): Promise<SigningKey> {
  const kept = await readSecretFile(path);
  if (kept !== undefined) return await readSigningKey(kept, `The signing key ${JSON.stringify(path)}`);
  const made = await makeSigningKey();
  await writeSecretFile(path, made);
  return await readSigningKey(made);
}
