/**
 * Frames of the message link between two nodes (see messaging/link.ts): batches of numbered
 * messages one way, outcomes the other way. Carried by the `message` class of the peer streams.
 */
import { Reader, WireError, Writer } from "./cursor.ts";
import { checkMessage, messageHeader_bytes, messageLimit_bytes } from "./message.ts";

export type LinkFrame =
  /**
   * Messages numbered `first`, `first + 1`, …. `session` is the sender's boot epoch; every number
   * below `base` has been answered, so that the receiver may forget it.
   */
  | {
      readonly kind: "batch";
      readonly session: number;
      readonly base: number;
      readonly first: number;
      readonly messages: readonly Uint8Array[];
      /** Of the owner that each message is meant for, as its sender knows it; 0: not known. Left out: of none. */
      readonly epochs?: readonly number[];
    }
  /** What became of numbered messages; `outcome` is an index into the outcome table of the threads. */
  | {
      readonly kind: "outcomes";
      readonly session: number;
      readonly entries: readonly { readonly sequence: number; readonly outcome: number }[];
    }
  /** Numbers are missing: send again from `expected`. */
  | { readonly kind: "gap"; readonly session: number; readonly expected: number };

/** Messages in one batch; outcomes in one frame. */
export const linkBatchLimit = 4_096;

export function encodeLinkFrame(frame: LinkFrame): Uint8Array<ArrayBuffer> {
  const writer = new Writer(64);
  switch (frame.kind) {
    case "batch":
      writer
        .u8(frame.epochs === undefined ? 1 : 4)
        .u64(frame.session)
        .u64(frame.base)
        .u64(frame.first);
      writer.varint(frame.messages.length);
      for (const [i, message] of frame.messages.entries()) {
        if (frame.epochs !== undefined) writer.varint(frame.epochs[i] ?? 0);
        writer.raw(message);
      }
      break;
    case "outcomes":
      writer.u8(2).u64(frame.session).varint(frame.entries.length);
      for (const { sequence, outcome } of frame.entries) writer.u64(sequence).u8(outcome);
      break;
    case "gap":
      writer.u8(3).u64(frame.session).u64(frame.expected);
      break;
  }
  return writer.finish();
}

/** Throws `WireError` for anything that is not exactly one frame of valid messages. Messages are views. */
export function decodeLinkFrame(bytes: Uint8Array): LinkFrame {
  const reader = new Reader(bytes);
  const kind = reader.u8();
  const session = reader.u64();
  if (kind === 1 || kind === 4) return decodeBatch(reader, session, kind === 4);
  if (kind === 2) {
    const count = reader.count(linkBatchLimit, 9);
    const entries = Array.from({ length: count }, () => ({ sequence: reader.u64(), outcome: reader.u8() }));
    reader.finish();
    return { kind: "outcomes", session, entries };
  }
  if (kind === 3) {
    const expected = reader.u64();
    reader.finish();
    return { kind: "gap", session, expected };
  }
  throw new WireError("unknown link frame");
}

function decodeBatch(reader: Reader, session: number, hasEpochs: boolean): LinkFrame {
  const base = reader.u64();
  const first = reader.u64();
  if (base > first) throw new WireError("link base above its first number");
  const count = reader.count(linkBatchLimit, messageHeader_bytes);
  const messages: Uint8Array[] = [];
  const epochs: number[] = [];
  for (let i = 0; i < count; i++) {
    if (hasEpochs) epochs.push(reader.varint());
    const rest = reader.bytes.subarray(reader.at, Math.min(reader.end, reader.at + messageLimit_bytes));
    messages.push(reader.take(checkMessage(rest)));
  }
  reader.finish();
  const batch = { kind: "batch", session, base, first, messages } as const;
  return hasEpochs ? { ...batch, epochs } : batch;
}
