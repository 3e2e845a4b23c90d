/** The bytes of a configuration, which are the data of its entry: version, members, outgoing members. */
import { Reader, WireError, Writer } from "../wire/cursor.ts";
import {
  type Configuration,
  type Member,
  type MemberRole,
  membersLimit,
  type RaftId,
} from "./configuration.ts";

const version = 1;
const roles: readonly MemberRole[] = ["voter", "learner", "witness"];
const idLimit_bytes = 96;
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}#[0-9]{1,16}$/;

export function encodeConfiguration({ members, outgoing }: Configuration): Uint8Array {
  const writer = new Writer().u8(version);
  writeMembers(writer, members);
  writer.bool(outgoing !== null);
  if (outgoing !== null) writeMembers(writer, outgoing);
  return writer.finish();
}

/** Throws `WireError` for what is not a configuration of a known version. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const reader = new Reader(bytes);
  const found = reader.u8();
  if (found !== version) throw new WireError(`configuration of version ${found}`);
  const members = readMembers(reader);
  const outgoing = reader.bool() ? readMembers(reader) : null;
  reader.finish();
  return { members, outgoing };
}

/** Throws `WireError` for what is not `node#identity`. */
export function parseRaftId(text: string): RaftId {
  if (!idPattern.test(text)) throw new WireError("malformed raft id");
  return text as RaftId;
}

function writeMembers(writer: Writer, members: readonly Member[]): void {
  writer.varint(members.length);
  for (const { id, role, priority } of members) writer.text(id).u8(roles.indexOf(role)).u8(priority);
}

function readMembers(reader: Reader): Member[] {
  const members: Member[] = [];
  const ids = new Set<RaftId>();
  for (let left = reader.count(membersLimit, 4); left > 0; left--) {
    const id = parseRaftId(reader.text(idLimit_bytes));
    const role = roles[reader.u8()];
    if (role === undefined) throw new WireError("unknown role of a member");
    if (ids.has(id)) throw new WireError("a member twice");
    ids.add(id);
    members.push({ id, role, priority: reader.u8() });
  }
  return members;
}
