/** Text out of bytes on the message path: `Buffer`'s native conversion, twice as fast as building a string by characters. */
import { Buffer } from "node:buffer";
import { messageHeader_bytes } from "../wire/message.ts";

type Slice = (this: Uint8Array, start: number, end: number) => string;
const { latin1Slice } = Buffer.prototype as { readonly latin1Slice: Slice };

/** The bytes as Latin-1: one character a byte, comparing as the bytes do. */
export function latin1(bytes: Uint8Array, start: number, end: number): string {
  return latin1Slice.call(bytes, start, end);
}

/** The bytes of a Latin-1 text. */
export function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

/** Length of the field at `index` of a checked message. */
export function fieldLength(bytes: Uint8Array, index: number): number {
  return u16(bytes, 40 + 2 * index);
}

/** The receiver of a checked message. */
export function fastReceiver(bytes: Uint8Array): string {
  const start = messageHeader_bytes + u16(bytes, 40);
  return latin1(bytes, start, start + u16(bytes, 42));
}

/** A key of (sender, conversation) of a checked message: with its receiver, the stream whose order is kept. */
export function streamKey(bytes: Uint8Array): string {
  const sender = u16(bytes, 40);
  const start = messageHeader_bytes + sender + u16(bytes, 42);
  const senderText = latin1(bytes, messageHeader_bytes, messageHeader_bytes + sender);
  return `${senderText}\n${latin1(bytes, start, start + u16(bytes, 44))}`;
}

/** The 16 bytes of the message id, as a text of 16 characters: a cheap key. */
export function idKey(bytes: Uint8Array): string {
  return latin1(bytes, 8, 24);
}
