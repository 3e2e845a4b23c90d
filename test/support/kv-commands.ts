/** Control commands and queries of the key-value store, as tests of consensus propose and read them. */
import { decodeOutcome, encodeControlCommand, encodeControlQuery } from "../../src/wire/control-command.ts";
import { controlCommands, controlQueries } from "../../src/wire/control-kinds.ts";
import { decodeKvValue, encodeKvGet, encodeKvPut, type KvCondition } from "../../src/wire/control-kv.ts";
import { decodeUtf8, encodeUtf8 } from "../../src/wire/cursor.ts";

export function putCommand(key: string, value: string, condition: KvCondition = "any"): Uint8Array {
  const body = encodeKvPut({
    key,
    value: encodeUtf8(value),
    mediaType: "text/plain",
    condition,
    fence: null,
  });
  return encodeControlCommand({
    kind: controlCommands.kvPut,
    version: 1,
    principal: "test",
    session: null,
    idempotencyKey: null,
    body,
  });
}

export function getQuery(key: string): Uint8Array {
  return encodeControlQuery(controlQueries.kvGet, encodeKvGet(key));
}

/** The value that a read gave; undefined where there is none. */
export function valueOf(bytes: Uint8Array): string | undefined {
  const found = decodeKvValue(bytes);
  return found === null ? undefined : decodeUtf8(found.value);
}

export function statusOfOutcome(outcome: Uint8Array): string {
  return decodeOutcome(outcome).status;
}
