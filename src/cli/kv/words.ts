/** Flags and arguments that the commands of keys share. */
import { CaxtonError } from "../../base/errors.ts";
import type { KvWriteOptions } from "../../client/kv.ts";
import { checkKvKey } from "../../wire/control-kv.ts";
import { fencingToken, lockName } from "../lock/words.ts";
import { asText, wholeNumber } from "../parse.ts";

export const keyArgument = { parse: checkKvKey, placeholder: "KEY", brief: "The key" } as const;

export interface WriteFlags {
  readonly ifVersion?: number;
  readonly lock?: string;
  readonly fencingToken?: number;
  readonly idempotencyKey?: string;
}

export const writeFlags = {
  ifVersion: {
    kind: "parsed",
    parse: wholeNumber(1, Number.MAX_SAFE_INTEGER),
    optional: true,
    placeholder: "N",
    brief: "Only while the key is at this version",
  },
  lock: {
    kind: "parsed",
    parse: lockName,
    optional: true,
    placeholder: "NAME",
    brief: "Only while this lock is held under --fencing-token",
  },
  fencingToken: { ...fencingToken, optional: true, brief: "The token that --lock was acquired with" },
  idempotencyKey: {
    kind: "parsed",
    parse: asText,
    optional: true,
    placeholder: "KEY",
    brief: "The same key writes once",
  },
} as const;

/** Throws `invalid_argument` for a lock without its token. */
export function writeOptions({ ifVersion, lock, fencingToken, idempotencyKey }: WriteFlags): KvWriteOptions {
  if ((lock === undefined) !== (fencingToken === undefined))
    throw new CaxtonError("invalid_argument", "--lock and --fencing-token go together");
  return {
    ...(ifVersion === undefined ? {} : { ifVersion }),
    ...(lock === undefined || fencingToken === undefined ? {} : { fence: { lock, token: fencingToken } }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}
