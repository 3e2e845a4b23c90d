/**
 * First contact over a stream: a hello says which cluster a node believes in, the answer is a welcome
 * with the cluster's UUID and members, or a refusal with its reason. Nothing here changes state.
 */
import type { NodeId } from "../base/ids.ts";
import { Reader, WireError, Writer } from "./cursor.ts";
import { frameLimit_bytes } from "./gossip-records.ts";
import { readBoot, readNodeId } from "./gossip-values.ts";
import { readUuid, writeUuid } from "./message.ts";
import type { ProtocolRange } from "./protocol-version.ts";

export interface Hello {
  readonly cluster: string;
  /** Null of a fresh joiner, which takes the cluster's. */
  readonly uuid: string | null;
  readonly node: NodeId;
  readonly boot: number;
  readonly protocol: ProtocolRange;
  /** Records as in gossip-records.ts: the newcomer's own alive update. */
  readonly records: Uint8Array;
}

/** The index is the byte on the wire: the order never changes. */
export const refusalCodes = [
  "other_name",
  "other_uuid",
  "no_uuid",
  "version",
  "name_taken",
  "old_boot",
  "malformed",
  "future_boot",
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

export type HelloAnswer =
  | { readonly kind: "welcome"; readonly uuid: string; readonly records: readonly Uint8Array[] }
  | { readonly kind: "refusal"; readonly code: RefusalCode; readonly detail: string };

const helloVersion = 1;
const clusterName_bytes = 255;
const detail_bytes = 512;
/** Members beyond these come by push-pull. */
export const welcomeFrames = 8;

export function encodeHello(hello: Hello): Uint8Array<ArrayBuffer> {
  const writer = new Writer(256)
    .u8(helloVersion)
    .text(hello.cluster)
    .bool(hello.uuid !== null);
  if (hello.uuid !== null) writeUuidTo(writer, hello.uuid);
  writer.text(hello.node).u64(hello.boot).u16(hello.protocol.lowest).u16(hello.protocol.highest);
  return writer.blob(hello.records).finish();
}

export function decodeHello(bytes: Uint8Array): Hello {
  const reader = new Reader(bytes);
  if (reader.u8() !== helloVersion) throw new WireError("hello of another version");
  const cluster = reader.text(clusterName_bytes);
  const uuid = reader.bool() ? readUuidFrom(reader) : null;
  const node = readNodeId(reader);
  const boot = readBoot(reader);
  const protocol = { lowest: reader.u16(), highest: reader.u16() };
  const records = reader.blob(frameLimit_bytes);
  reader.finish();
  return { cluster, uuid, node, boot, protocol, records };
}

export function encodeHelloAnswer(answer: HelloAnswer): Uint8Array<ArrayBuffer> {
  const writer = new Writer(256).u8(helloVersion).bool(answer.kind === "welcome");
  if (answer.kind === "refusal") {
    return writer.u8(refusalCodes.indexOf(answer.code)).text(printable(answer.detail)).finish();
  }
  writeUuidTo(writer, answer.uuid);
  writer.varint(answer.records.length);
  for (const frame of answer.records) writer.blob(frame);
  return writer.finish();
}

export function decodeHelloAnswer(bytes: Uint8Array): HelloAnswer {
  const reader = new Reader(bytes);
  if (reader.u8() !== helloVersion) throw new WireError("answer of another version");
  const answer = reader.bool() ? readWelcome(reader) : readRefusal(reader);
  reader.finish();
  return answer;
}

function readWelcome(reader: Reader): HelloAnswer {
  const uuid = readUuidFrom(reader);
  const records = Array.from({ length: reader.count(welcomeFrames) }, () => reader.blob(frameLimit_bytes));
  return { kind: "welcome", uuid, records };
}

function readRefusal(reader: Reader): HelloAnswer {
  const code = refusalCodes[reader.u8()];
  if (code === undefined) throw new WireError("unknown refusal");
  const detail = reader.text(detail_bytes);
  return { kind: "refusal", code, detail: printable(detail) };
}

/** It ends up in logs and terminals. */
function printable(text: string): string {
  return text.slice(0, detail_bytes).replaceAll(/[^ -~]/g, "?");
}

function writeUuidTo(writer: Writer, uuid: string): void {
  const bytes = new Uint8Array(16);
  writeUuid(bytes, 0, uuid);
  writer.raw(bytes);
}

function readUuidFrom(reader: Reader): string {
  return readUuid(reader.take(16), 0);
}
