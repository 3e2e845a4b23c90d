/**
 * The part of DER (X.690) that certificates are written with. Writing only: certificates of others are
 * read by the runtime's own parser, never by this.
 */
import { encodeUtf8 } from "../wire/cursor.ts";

export type Der = Uint8Array<ArrayBuffer>;

function element(tag: number, ...parts: readonly Uint8Array[]): Der {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const header = [tag, ...lengthBytes(length)];
  const bytes = new Uint8Array(header.length + length);
  bytes.set(header);
  let at = header.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The shortest form, as DER wants; certificates stay far below 64 KiB. */
function lengthBytes(length: number): readonly number[] {
  if (length < 0x80) return [length];
  return length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
}

export const sequence = (...parts: readonly Uint8Array[]): Der => element(0x30, ...parts);
export const set = (...parts: readonly Uint8Array[]): Der => element(0x31, ...parts);
export const octets = (bytes: Uint8Array): Der => element(0x04, bytes);
export const utf8Text = (text: string): Der => element(0x0c, encodeUtf8(text));
export const truth = (value: boolean): Der => element(0x01, Uint8Array.of(value ? 0xff : 0));
/** Whole bytes; `unused` bits at the end do not count. */
export const bits = (bytes: Uint8Array, unused = 0): Der => element(0x03, Uint8Array.of(unused), bytes);
/** `[number]` around other elements. */
export const tagged = (number: number, ...parts: readonly Uint8Array[]): Der =>
  element(0xa0 | number, ...parts);
/** `[number] IMPLICIT` over plain bytes. */
export const taggedBytes = (number: number, bytes: Uint8Array): Der => element(0x80 | number, bytes);

/** An unsigned integer of big-endian bytes. */
export function integer(bytes: Uint8Array): Der {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  return ((digits[0] ?? 0) & 0x80) === 0 ? element(0x02, digits) : element(0x02, Uint8Array.of(0), digits);
}

/** An object identifier from its dotted text. */
export function objectId(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const digits = [part & 0x7f];
    for (let high = Math.floor(part / 128); high > 0; high = Math.floor(high / 128))
      digits.unshift((high & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return element(0x06, Uint8Array.from(bytes));
}

/** UTCTime before 2050 and GeneralizedTime from then on, as RFC 5280 wants; whole seconds. */
export function time(wall_ms: number): Der {
  const text = new Date(wall_ms).toISOString().replace(/[-:T]|\.\d+/g, "");
  return text < "2050" ? element(0x17, encodeUtf8(text.slice(2))) : element(0x18, encodeUtf8(text));
}

export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
