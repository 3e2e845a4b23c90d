/**
 * Several commands in one entry of the log, done one after the other with nothing in between, each with an outcome
 * of its own; not a transaction: one that is refused takes back none before it. Each has an Idempotency-Key.
 *
 * body:    varint count · (u16 kind · u8 version · text principal · text key · blob body)…
 * outcome: varint count · (blob outcome)…
 */
import {
  commandBodyLimit_bytes,
  type ControlCommand,
  type ControlOutcome,
  decodeOutcome,
  idempotencyKeyLimit_bytes,
  principalLimit_bytes,
} from "./control-command.ts";
import { Reader, WireError, Writer } from "./cursor.ts";

/** Their outcomes share the room of one. */
export const batchedCommands_max = 64;
/** Of a refusal or of a write that was done, with all that stands around it. */
const batchedOutcome_bytes = 60;

export type BatchedCommand = Pick<ControlCommand, "kind" | "version" | "principal" | "body"> & {
  readonly idempotencyKey: string;
};

export function encodeBatch(commands: readonly BatchedCommand[]): Uint8Array {
  const writer = new Writer(1_024).varint(commands.length);
  for (const { kind, version, principal, idempotencyKey, body } of commands)
    writer.u16(kind).u8(version).text(principal).text(idempotencyKey).blob(body);
  return writer.finish();
}

/** Throws `WireError`. The bodies are views. */
export function readBatch(reader: Reader): readonly BatchedCommand[] {
  return Array.from({ length: reader.count(batchedCommands_max, 6) }, () => {
    const [kind, version] = [reader.u16(), reader.u8()];
    const principal = reader.text(principalLimit_bytes);
    const idempotencyKey = reader.text(idempotencyKeyLimit_bytes);
    return { kind, version, principal, idempotencyKey, body: reader.blob(commandBodyLimit_bytes) };
  });
}

/** Of the commands in their order, each as `encodeOutcome` has it. */
export function encodeBatchOutcomes(outcomes: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer(32 * outcomes.length + 8).varint(outcomes.length);
  for (const outcome of outcomes) writer.blob(outcome);
  return writer.finish();
}

/** Throws `WireError`. */
export function decodeBatchOutcomes(bytes: Uint8Array, count: number): readonly ControlOutcome[] {
  const reader = new Reader(bytes);
  if (reader.count(batchedCommands_max) !== count) throw new WireError("another number of outcomes");
  const outcomes = Array.from({ length: count }, () => decodeOutcome(reader.blob(batchedOutcome_bytes)));
  reader.finish();
  return outcomes;
}
