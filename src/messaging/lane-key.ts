/** Which messages keep their order among each other: those of one sender, receiver and conversation. */
import { messageField, receiverOf, senderOf } from "../wire/message.ts";

/** The key of a checked message's lane. */
export function laneKeyOf(message: Uint8Array): string {
  return `${partyOf(senderOf(message))}\n${receiverOf(message)}\n${messageField(message, 2)}`;
}

/** A client's address has a tag for each message; its lane is the client's. */
function partyOf(sender: string): string {
  return sender.startsWith("~") ? sender.slice(0, sender.indexOf(".")) : sender;
}
