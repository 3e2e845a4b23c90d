/**
 * The outside of a gossip packet: a clear header, then the sealed payload. The header is authenticated
 * with the payload, so a changed bit anywhere breaks the seal.
 *
 * ```
 *  0 u8  format (0xC1)                   12 u64 boot epoch of the sender
 *  1 u8  lowest protocol version spoken  20 u64 counter, from 0 in each boot
 *  2 u8  highest                         28 8 B instance: random at each start of the process
 *  3 u8  length n of the sender's id     36 n B sender's id
 *  4 8 B key id                          36+n   AES-256-GCM ciphertext, then the 16-byte tag
 * ```
 */
import type { NodeId } from "../base/ids.ts";
import { namePattern } from "../base/ids.ts";
import type { ProtocolRange } from "./protocol-version.ts";

export const datagramFormat = 0xc1;
/** Fits an Ethernet frame with room for tunnels (IPv6, WireGuard, GRE), so that no packet is fragmented. */
export const datagramLimit_bytes = 1_400;
export const keyId_bytes = 8;
export const instance_bytes = 8;
export const sealTag_bytes = 16;
const fixed_bytes = 36;
const senderLimit_bytes = 64;

export interface DatagramHeader {
  readonly protocol: ProtocolRange;
  readonly keyId: Uint8Array;
  readonly sender: NodeId;
  readonly bootEpoch: number;
  readonly counter: number;
  readonly instance: Uint8Array;
}

/** Header bytes of a sender's packets. */
export function datagramHeader_bytes(sender: NodeId): number {
  return fixed_bytes + sender.length;
}

/** Writes the header at the start of `bytes` and returns its length. */
export function writeDatagramHeader(bytes: Uint8Array, header: DatagramHeader): number {
  bytes[0] = datagramFormat;
  bytes[1] = header.protocol.lowest;
  bytes[2] = header.protocol.highest;
  bytes[3] = header.sender.length;
  bytes.set(header.keyId, 4);
  writeU64(bytes, 12, header.bootEpoch);
  writeU64(bytes, 20, header.counter);
  bytes.set(header.instance, 28);
  for (let i = 0; i < header.sender.length; i++) bytes[fixed_bytes + i] = header.sender.charCodeAt(i);
  return fixed_bytes + header.sender.length;
}

/**
 * The header of a packet and where its sealed part begins, or undefined when it is not one of ours.
 * Nothing in it is to be believed before the seal is checked. `keyId` and `instance` are views.
 */
export function readDatagramHeader(
  bytes: Uint8Array,
): { readonly header: DatagramHeader; readonly sealedAt: number } | undefined {
  const senderLength = bytes[3] ?? 0;
  const sealedAt = fixed_bytes + senderLength;
  if (bytes.length > datagramLimit_bytes || bytes.length < sealedAt + sealTag_bytes) return undefined;
  if (bytes[0] !== datagramFormat || senderLength === 0 || senderLength > senderLimit_bytes) return undefined;
  const bootEpoch = readU64(bytes, 12);
  const counter = readU64(bytes, 20);
  const protocol = { lowest: bytes[1] as number, highest: bytes[2] as number };
  if (bootEpoch === undefined || counter === undefined || protocol.lowest > protocol.highest)
    return undefined;
  let sender = "";
  for (let at = fixed_bytes; at < sealedAt; at++) sender += String.fromCharCode(bytes[at] as number);
  if (!namePattern.test(sender)) return undefined;
  const header: DatagramHeader = {
    protocol,
    keyId: bytes.subarray(4, 4 + keyId_bytes),
    sender: sender as NodeId,
    bootEpoch,
    counter,
    instance: bytes.subarray(28, 28 + instance_bytes),
  };
  return { header, sealedAt };
}

function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value % 0x1_0000_0000);
  writeU32(bytes, at + 4, Math.floor(value / 0x1_0000_0000));
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = value >>> (8 * i);
}

/** Undefined above 2⁵³−1, where a number is no longer exact. */
function readU64(bytes: Uint8Array, at: number): number | undefined {
  const high = readU32(bytes, at + 4);
  return high > 0x1f_ffff ? undefined : high * 0x1_0000_0000 + readU32(bytes, at);
}

function readU32(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = 3; i >= 0; i--) value = value * 0x100 + (bytes[at + i] as number);
  return value;
}
