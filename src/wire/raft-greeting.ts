/**
 * What two raft threads say to each other before anything else, on each link: which log this is, in which boot of its
 * node, and in which boot the log was last opened before. Who has heard of a boot in between answers `outdated`: the
 * disk was taken back to an earlier day. The first byte is none of a raft message's (raft/message-codec.ts).
 */
import { Reader, WireError, Writer } from "./cursor.ts";

const greetingTag = 0xe1;
const outdatedTag = 0xe2;

export type RaftGreeting =
  | {
      readonly kind: "greeting";
      /** The boot epoch in which the log began. */
      readonly identity: number;
      readonly boot: number;
      /** 0 of a log that is new. */
      readonly previousBoot: number;
    }
  | { readonly kind: "outdated"; readonly identity: number; readonly seenBoot: number };

export function isGreeting(bytes: Uint8Array): boolean {
  return bytes[0] === greetingTag || bytes[0] === outdatedTag;
}

export function encodeGreeting(greeting: RaftGreeting): Uint8Array {
  const writer = new Writer(32);
  if (greeting.kind === "greeting") {
    const { identity, boot, previousBoot } = greeting;
    writer.u8(greetingTag).u64(identity).u64(boot).u64(previousBoot);
  } else writer.u8(outdatedTag).u64(greeting.identity).u64(greeting.seenBoot);
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeGreeting(bytes: Uint8Array): RaftGreeting {
  const reader = new Reader(bytes);
  const tag = reader.u8();
  if (tag !== greetingTag && tag !== outdatedTag) throw new WireError("not a greeting");
  const greeting: RaftGreeting =
    tag === greetingTag
      ? { kind: "greeting", identity: reader.u64(), boot: reader.u64(), previousBoot: reader.u64() }
      : { kind: "outdated", identity: reader.u64(), seenBoot: reader.u64() };
  reader.finish();
  return greeting;
}
