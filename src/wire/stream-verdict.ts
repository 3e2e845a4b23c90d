/**
 * The first bytes of a stream, from the side that was dialled: whether it takes the connection. Needed
 * because in TLS 1.3 the dialling side's handshake succeeds before the other has judged its certificate.
 * `u8 verdict (1 accepted, 2 wrong key, 3 wrong cluster) · u16 length · reason in UTF-8`.
 */
import { Reader, WireError, Writer } from "./cursor.ts";

export const verdictReasonLimit_bytes = 512;
const head_bytes = 3;
const codes = ["accepted", "wrong_key", "wrong_cluster"] as const;

export interface StreamVerdict {
  readonly code: (typeof codes)[number];
  readonly reason: string;
}

export function encodeStreamVerdict(verdict: StreamVerdict): Uint8Array<ArrayBuffer> {
  const reason = new TextEncoder().encode(verdict.reason.slice(0, verdictReasonLimit_bytes / 4));
  return new Writer(head_bytes + reason.length)
    .u8(codes.indexOf(verdict.code) + 1)
    .u16(reason.length)
    .raw(reason)
    .finish();
}

/** The verdict and how many bytes it took; undefined while more bytes are needed. Throws `WireError`. */
export function decodeStreamVerdict(
  bytes: Uint8Array,
): { readonly verdict: StreamVerdict; readonly length: number } | undefined {
  const code = codes[(bytes[0] ?? 1) - 1];
  if (code === undefined) throw new WireError("unknown verdict");
  if (bytes.length < head_bytes) return undefined;
  const reader = new Reader(bytes);
  reader.skip(1);
  const length = reader.u16();
  if (length > verdictReasonLimit_bytes) throw new WireError("reason too long");
  if (reader.remaining < length) return undefined;
  // For people: bytes that are no text become marks.
  const reason = new TextDecoder().decode(reader.take(length));
  return { verdict: { code, reason }, length: reader.at };
}
