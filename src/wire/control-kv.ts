/**
 * Key-value commands, queries and answers. Keys are UTF-8 of 1 to 512 bytes without control characters,
 * values any bytes up to 1 MiB with the media type they came with. A version is never reused, not
 * even after the key was deleted.
 */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import { Reader, WireError, Writer, encodeUtf8 } from "./cursor.ts";
import { lockNameLimit_bytes } from "./control-lock.ts";

export const kvKeyLimit_bytes = 512;
export const kvValueLimit_bytes = 1024 * 1024;
export const mediaTypeLimit_bytes = 256;
export const kvListLimit = 1_000;

/** `any`: whatever is there. `absent`, `present`: only if the key is not, or is there. Otherwise only at that version. */
export type KvCondition = "any" | "absent" | "present" | number;

/** The write counts only while this lock is held under this token. */
export interface Fence {
  readonly lock: string;
  readonly token: number;
}

export interface KvPut {
  readonly key: string;
  readonly value: Uint8Array;
  readonly mediaType: string;
  readonly condition: KvCondition;
  readonly fence: Fence | null;
}

export interface KvDelete {
  readonly key: string;
  readonly condition: KvCondition;
  readonly fence: Fence | null;
}

export interface KvEntry {
  readonly key: string;
  readonly version: number;
  readonly modified_ms: number;
  readonly mediaType: string;
  readonly size: number;
}

export interface KvValue extends KvEntry {
  readonly value: Uint8Array;
}

// oxlint-disable-next-line no-control-regex -- these are what a key must not have
const forbidden = /[\u0000-\u001f\u007f]/;

/** No key has any. */
export function hasControlCharacters(text: string): boolean {
  return forbidden.test(text);
}

/** Throws `invalid_argument` with the rule. */
export function checkKvKey(key: string): string {
  const bytes = key.isWellFormed() ? encodeUtf8(key).length : 0;
  if (bytes >= 1 && bytes <= kvKeyLimit_bytes && !hasControlCharacters(key)) return key;
  throw new CaxtonError(
    "invalid_argument",
    `Key ${quote(key)} is not 1 to ${kvKeyLimit_bytes} bytes of UTF-8 without control characters`,
  );
}

function readKey(reader: Reader): string {
  const key = reader.text(kvKeyLimit_bytes);
  if (key === "" || hasControlCharacters(key)) throw new WireError("key is empty or has control characters");
  return key;
}

function writeCondition(writer: Writer, condition: KvCondition): void {
  if (condition === "any") writer.u8(0);
  else if (condition === "absent") writer.u8(1);
  else if (condition === "present") writer.u8(3);
  else writer.u8(2).u64(condition);
}

function readCondition(reader: Reader): KvCondition {
  const kind = reader.u8();
  if (kind === 0) return "any";
  if (kind === 1) return "absent";
  if (kind === 3) return "present";
  if (kind !== 2) throw new WireError("unknown condition");
  return reader.u64();
}

function writeFence(writer: Writer, fence: Fence | null): void {
  writer.bool(fence !== null);
  if (fence !== null) writer.text(fence.lock).u64(fence.token);
}

function readFence(reader: Reader): Fence | null {
  return reader.bool() ? { lock: reader.text(lockNameLimit_bytes), token: reader.u64() } : null;
}

export function encodeKvPut(put: KvPut): Uint8Array {
  const writer = new Writer(64 + put.key.length + put.value.length).text(put.key);
  writeCondition(writer, put.condition);
  writeFence(writer, put.fence);
  return writer.text(put.mediaType).blob(put.value).finish();
}

export function readKvPut(reader: Reader): KvPut {
  const key = readKey(reader);
  const condition = readCondition(reader);
  const fence = readFence(reader);
  const mediaType = reader.text(mediaTypeLimit_bytes);
  if (forbidden.test(mediaType)) throw new WireError("media type with control characters");
  return { key, condition, fence, mediaType, value: reader.blob(kvValueLimit_bytes) };
}

export function encodeKvDelete(command: KvDelete): Uint8Array {
  const writer = new Writer().text(command.key);
  writeCondition(writer, command.condition);
  writeFence(writer, command.fence);
  return writer.finish();
}

export function readKvDelete(reader: Reader): KvDelete {
  return { key: readKey(reader), condition: readCondition(reader), fence: readFence(reader) };
}

/** Body of a put's `done`; its `value` is the new version. */
export function encodeKvPutDone(created: boolean, modified_ms: number): Uint8Array {
  return new Writer(16).bool(created).u64(modified_ms).finish();
}

export function readKvPutDone(body: Uint8Array): { readonly created: boolean; readonly modified_ms: number } {
  const reader = new Reader(body);
  const done = { created: reader.bool(), modified_ms: reader.u64() };
  reader.finish();
  return done;
}

export function encodeKvGet(key: string): Uint8Array {
  return new Writer().text(key).finish();
}

export function readKvGet(reader: Reader): string {
  return readKey(reader);
}

export interface KvList {
  readonly prefix: string;
  /** Keys after this one; empty from the beginning. */
  readonly after: string;
  readonly limit: number;
}

export function encodeKvList({ prefix, after, limit }: KvList): Uint8Array {
  return new Writer().text(prefix).text(after).u16(limit).finish();
}

export function readKvList(reader: Reader): KvList {
  const list = {
    prefix: reader.text(kvKeyLimit_bytes),
    after: reader.text(kvKeyLimit_bytes),
    limit: reader.u16(),
  };
  if (hasControlCharacters(list.prefix) || hasControlCharacters(list.after))
    throw new WireError("prefix or cursor has control characters");
  if (list.limit < 1 || list.limit > kvListLimit) throw new WireError(`limit outside 1..${kvListLimit}`);
  return list;
}

function writeEntry(writer: Writer, entry: KvEntry): void {
  writer.text(entry.key).u64(entry.version).u64(entry.modified_ms).text(entry.mediaType).u32(entry.size);
}

function readEntry(reader: Reader): KvEntry {
  return {
    key: reader.text(kvKeyLimit_bytes),
    version: reader.u64(),
    modified_ms: reader.u64(),
    mediaType: reader.text(mediaTypeLimit_bytes),
    size: reader.u32(),
  };
}

export function encodeKvValue(found: KvValue | null): Uint8Array {
  const writer = new Writer(128 + (found?.size ?? 0)).bool(found !== null);
  if (found !== null) {
    writeEntry(writer, found);
    writer.blob(found.value);
  }
  return writer.finish();
}

export function decodeKvValue(bytes: Uint8Array): KvValue | null {
  const reader = new Reader(bytes);
  const found = reader.bool() ? { ...readEntry(reader), value: reader.blob(kvValueLimit_bytes) } : null;
  reader.finish();
  return found;
}

export interface KvPage {
  readonly entries: readonly KvEntry[];
  /** Whether there are further ones after the last of these. */
  readonly more: boolean;
}

export function encodeKvPage({ entries, more }: KvPage): Uint8Array {
  const writer = new Writer(1024).bool(more).varint(entries.length);
  for (const entry of entries) writeEntry(writer, entry);
  return writer.finish();
}

export function decodeKvPage(bytes: Uint8Array): KvPage {
  const reader = new Reader(bytes);
  const more = reader.bool();
  const count = reader.count(kvListLimit, 20);
  const entries = Array.from({ length: count }, () => readEntry(reader));
  reader.finish();
  return { entries, more };
}
