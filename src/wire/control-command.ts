/**
 * The envelope of a control command on its way to the leader, the stamp that the leader puts before
 * it in the log, and the outcome that comes back. Bodies are the features' (`control-kv.ts`, …).
 *
 * command: u8 format · u8 flags · u16 kind · u8 version · text principal · [session · sequence · floor] · [text key] · blob body
 * entry:   u8 format · u64 elapsed_ms · u64 wall_ms · command
 */
import { Reader, WireError, Writer } from "./cursor.ts";

export const principalLimit_bytes = 256;
export const idempotencyKeyLimit_bytes = 256;
/** The largest value (1 MiB) and what stands around it. */
export const commandBodyLimit_bytes = 1024 * 1024 + 4 * 1024;
export const commandLimit_bytes = commandBodyLimit_bytes + 4 * 1024;
const outcomeBodyLimit_bytes = 4 * 1024;
const format = 1;
const hasSession = 1;
const hasKey = 2;

/** A session's command is executed once however often it is sent; `floor`: all below are answered. */
export interface SessionMark {
  readonly session: number;
  readonly sequence: number;
  readonly floor: number;
}

export interface ControlCommand {
  /** Which command: a number of the command table, and the version of its body. */
  readonly kind: number;
  readonly version: number;
  /** Who asks; empty for the cluster itself. */
  readonly principal: string;
  readonly session: SessionMark | null;
  /** A client's Idempotency-Key, which counts per principal. */
  readonly idempotencyKey: string | null;
  readonly body: Uint8Array;
}

export interface StampedCommand {
  readonly elapsed_ms: number;
  readonly wall_ms: number;
  readonly command: ControlCommand;
}

export function encodeControlCommand(command: ControlCommand): Uint8Array {
  const { session, idempotencyKey } = command;
  const writer = new Writer(64 + command.body.length);
  writer.u8(format).u8((session === null ? 0 : hasSession) + (idempotencyKey === null ? 0 : hasKey));
  writer.u16(command.kind).u8(command.version).text(command.principal);
  if (session !== null) writer.u64(session.session).u64(session.sequence).u64(session.floor);
  if (idempotencyKey !== null) writer.text(idempotencyKey);
  return writer.blob(command.body).finish();
}

/** Throws `WireError`. The body is a view. */
export function decodeControlCommand(bytes: Uint8Array): ControlCommand {
  const reader = new Reader(bytes);
  const command = readCommand(reader);
  reader.finish();
  return command;
}

/** `command` is trusted to be one: it was decoded before. */
export function stampCommand(command: Uint8Array, elapsed_ms: number, wall_ms: number): Uint8Array {
  return new Writer(17 + command.length).u8(format).u64(elapsed_ms).u64(wall_ms).raw(command).finish();
}

/** Throws `WireError`. */
export function decodeStampedCommand(bytes: Uint8Array): StampedCommand {
  const reader = new Reader(bytes);
  if (reader.u8() !== format) throw new WireError("unknown format of a control entry");
  const elapsed_ms = reader.u64();
  const wall_ms = reader.u64();
  const command = readCommand(reader);
  reader.finish();
  return { elapsed_ms, wall_ms, command };
}

function readCommand(reader: Reader): ControlCommand {
  if (reader.u8() !== format) throw new WireError("unknown format of a control command");
  const flags = reader.u8();
  if (flags > hasSession + hasKey) throw new WireError("unknown flags of a control command");
  const kind = reader.u16();
  const version = reader.u8();
  const principal = reader.text(principalLimit_bytes);
  const session =
    (flags & hasSession) === 0
      ? null
      : { session: reader.u64(), sequence: reader.u64(), floor: reader.u64() };
  const idempotencyKey = (flags & hasKey) === 0 ? null : reader.text(idempotencyKeyLimit_bytes);
  return { kind, version, principal, session, idempotencyKey, body: reader.blob(commandBodyLimit_bytes) };
}

/**
 * What became of a command. All but `done` changed nothing. `value` by status: `conflict` and `stale` the
 * version or boot epoch that is there (0: nothing), `fenced` the lock's token now (0: free), `limit` which one.
 */
export const outcomeStatuses = [
  "done",
  "conflict",
  "fenced",
  "held",
  "limit",
  "not_found",
  "stale",
  "session_unknown",
  "sequence_forgotten",
  "key_reused",
] as const;
export type OutcomeStatus = (typeof outcomeStatuses)[number];

export interface ControlOutcome {
  readonly status: OutcomeStatus;
  readonly value: number;
  readonly body: Uint8Array;
}

const nothing = new Uint8Array(0);

export function outcome(status: OutcomeStatus, value = 0, body: Uint8Array = nothing): ControlOutcome {
  return { status, value, body };
}

export function encodeOutcome({ status, value, body }: ControlOutcome): Uint8Array {
  return new Writer(16 + body.length).u8(outcomeStatuses.indexOf(status)).u64(value).blob(body).finish();
}

/** Throws `WireError`. */
export function decodeOutcome(bytes: Uint8Array): ControlOutcome {
  const reader = new Reader(bytes);
  const status = outcomeStatuses[reader.u8()];
  if (status === undefined) throw new WireError("unknown outcome of a control command");
  const decoded = { status, value: reader.u64(), body: reader.blob(outcomeBodyLimit_bytes) };
  reader.finish();
  return decoded;
}

const queryFormat = 1;
const queryLimit_bytes = 4 * 1024;

export interface ControlQuery {
  readonly kind: number;
  readonly body: Uint8Array;
}

export function encodeControlQuery(kind: number, body: Uint8Array): Uint8Array {
  return new Writer(8 + body.length).u8(queryFormat).u16(kind).blob(body).finish();
}

/** Throws `WireError`. */
export function decodeControlQuery(bytes: Uint8Array): ControlQuery {
  const reader = new Reader(bytes);
  if (reader.u8() !== queryFormat) throw new WireError("unknown format of a control query");
  const query = { kind: reader.u16(), body: reader.blob(queryLimit_bytes) };
  reader.finish();
  return query;
}
