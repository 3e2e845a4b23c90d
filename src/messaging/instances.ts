/** Messages to a name that several agents share: each goes to one of them, and all of a conversation to the same. */
import { decodeMessage, encodeMessage, receiverOf } from "../wire/message.ts";
import { stickyKeyOf } from "./lane.ts";
import type { RouterOptions } from "./router-options.ts";

/** The message as it was, or readdressed to its instance. */
export function toInstance(message: Uint8Array, instanceFor: RouterOptions["instanceFor"]): Uint8Array {
  const instance = instanceFor?.(receiverOf(message), () => stickyKeyOf(message));
  return instance === undefined ? message : encodeMessage({ ...decodeMessage(message), receiver: instance });
}
