/**
 * Signs and checks death certificates: HMAC-SHA256 over cluster, node and boot epoch, under a key that is
 * derived from each gossip key for this purpose alone.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { NodeId } from "../base/ids.ts";
import { Writer } from "../wire/cursor.ts";
import type { Certifier } from "../wire/death-certificate.ts";
import { type AcceptedKey, deriveKey, Keyring } from "./keyring.ts";

export interface CertifierOptions {
  readonly clusterName: string;
  readonly clusterUuid: string;
  /** Gossip keys as the sealer has them: the first signs. */
  readonly keys: readonly Uint8Array[];
}

export function createCertifier({ clusterName, clusterUuid, keys }: CertifierOptions): Certifier {
  const keyring = new Keyring(keys);
  const signatureOf = (key: AcceptedKey, node: NodeId, boot: number): Uint8Array => {
    const text = new Writer().text(clusterUuid).text(clusterName).text(node).u64(boot).finish();
    return createHmac("sha256", deriveKey(key.secret, "death certificate")).update(text).digest();
  };
  return {
    sign: (node, boot) => {
      const { id: keyId } = keyring.sealing;
      return { node, boot, keyId, signature: new Uint8Array(signatureOf(keyring.sealing, node, boot)) };
    },
    verify: ({ node, boot, keyId, signature }) => {
      const key = keyring.find(keyId);
      if (key === undefined) return false;
      const expected = signatureOf(key, node, boot);
      return expected.length === signature.length && timingSafeEqual(expected, signature);
    },
  };
}
