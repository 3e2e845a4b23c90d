/**
 * The word of a node's launcher that the process of one boot epoch has ended: authority, not suspicion,
 * since it comes after the process was waited for. The signature is made in security/death-certifier.ts.
 */
import type { NodeId } from "../base/ids.ts";
import type { Reader, Writer } from "./cursor.ts";
import { keyId_bytes } from "./datagram.ts";
import { readBoot, readNodeId } from "./gossip-values.ts";

export const signature_bytes = 32;

export interface DeathCertificate {
  readonly node: NodeId;
  readonly boot: number;
  /** Of the gossip key that the signature was made with. */
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

export interface Certifier {
  sign(node: NodeId, boot: number): DeathCertificate;
  /** Whether a holder of an accepted key of this cluster signed it. Never throws. */
  verify(certificate: DeathCertificate): boolean;
}

export function writeCertificate(writer: Writer, certificate: DeathCertificate): void {
  const { node, boot, keyId, signature } = certificate;
  writer.text(node).u64(boot).raw(keyId).raw(signature);
}

export function readCertificate(reader: Reader): DeathCertificate {
  return {
    node: readNodeId(reader),
    boot: readBoot(reader),
    keyId: reader.take(keyId_bytes).slice(),
    signature: reader.take(signature_bytes).slice(),
  };
}
