/**
 * FIPA's rules for one message, on its bytes and without decoding it: the same verdicts as
 * `validateMessage` of fipa/, for the paths where that would cost as much as the delivery.
 */
import { parseAddress } from "../fipa/address.ts";
import { messageHeader_bytes } from "../wire/message.ts";
import { fieldLength, latin1 } from "./fast-ascii.ts";

const tokenLimit = 128;
const space = 0x20;
const fieldNames = [
  "sender",
  "receiver",
  "conversation_id",
  "reply_with",
  "in_reply_to",
  "reply_to",
  "protocol",
];
const receiverField = 1;
const replyToField = 5;

/** Why a checked message may not be delivered, or undefined. Its sender is the host's own writing and is not looked at. */
export function messageRefusal(bytes: Uint8Array): string | undefined {
  if (((bytes[60] as number) | (bytes[61] as number) | (bytes[62] as number) | (bytes[63] as number)) === 0) {
    return "content is missing: it is at least 1 byte";
  }
  let at = messageHeader_bytes + fieldLength(bytes, 0);
  for (let field = receiverField; field < fieldNames.length; field++) {
    const start = at;
    at += fieldLength(bytes, field);
    const refusal =
      field === receiverField || field === replyToField
        ? addressRefusal(bytes, field, start, at)
        : tokenRefusal(bytes, field, start, at);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function tokenRefusal(bytes: Uint8Array, field: number, start: number, end: number): string | undefined {
  if (end - start > tokenLimit) return `${fieldNames[field]} is longer than ${tokenLimit} characters`;
  for (let at = start; at < end; at++) if (bytes[at] === space) return `${fieldNames[field]} has a space`;
  return undefined;
}

function addressRefusal(bytes: Uint8Array, field: number, start: number, end: number): string | undefined {
  if (end === start) return field === receiverField ? "receiver is missing" : undefined;
  if (isPlainName(bytes, start, end)) return undefined;
  const address = parseAddress(latin1(bytes, start, end));
  if (address.kind === "invalid") return `${fieldNames[field]}: ${address.reason}`;
  if (field === replyToField && address.kind !== "agent" && address.kind !== "client") {
    return "reply_to is neither an agent nor a client";
  }
  return undefined;
}

/** Letters, digits, `-` and `_`, at most 64, the first a letter or digit: most names, and certainly one. */
function isPlainName(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start > 64) return false;
  for (let at = start; at < end; at++) {
    const code = bytes[at] as number;
    const isLetter = (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;
    const isDigit = code >= 0x30 && code <= 0x39;
    if (!isLetter && !isDigit && (at === start || (code !== 0x2d && code !== 0x5f))) return false;
  }
  return true;
}
