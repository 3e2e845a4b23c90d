/**
 * The word of a node's launcher that the process of one boot epoch has ended: authority, not suspicion,
 * since it comes after the process was waited for. The signature is made in security/death-certifier.ts.
 */
import type { NodeId } from "../base/ids.ts";
import { Reader, WireError, Writer } from "./cursor.ts";
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

/** The first byte of a datagram that is nothing but a certificate; a launcher has no place in the sealed gossip. */
const packetFormat = 0xc2;
const packetVersion = 1;

export function isCertificatePacket(datagram: Uint8Array): boolean {
  return datagram[0] === packetFormat;
}

export function encodeCertificatePacket(certificate: DeathCertificate): Uint8Array<ArrayBuffer> {
  const writer = new Writer(128).u8(packetFormat).u8(packetVersion);
  writeCertificate(writer, certificate);
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeCertificatePacket(datagram: Uint8Array): DeathCertificate {
  const reader = new Reader(datagram);
  if (reader.u8() !== packetFormat || reader.u8() !== packetVersion)
    throw new WireError("certificate of another version");
  const certificate = readCertificate(reader);
  reader.finish();
  return certificate;
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
