/** What the commands of locks share: the name, and how a held lock is told. */
import type { LockAnswer } from "../../api/locks/locks.ts";
import { formatDuration } from "../../base/durations.ts";
import { CaxtonError } from "../../base/errors.ts";
import { quote, tokenPattern, tokenRule } from "../../base/ids.ts";
import { wholeNumber } from "../parse.ts";

export function lockName(input: string): string {
  if (tokenPattern.test(input)) return input;
  throw new CaxtonError("invalid_argument", `Lock name ${quote(input)} is not ${tokenRule}`);
}

export const lockArgument = {
  kind: "tuple",
  parameters: [{ parse: lockName, placeholder: "NAME", brief: "The lock" }],
} as const;

export const fencingToken = {
  kind: "parsed",
  parse: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  placeholder: "N",
} as const;

export function heldText({ name, token, principal, holder, expires_in_ms }: LockAnswer): string {
  const who = holder === "" ? principal : `${principal} (${holder})`;
  const left = formatDuration(Math.ceil(expires_in_ms / 1_000) * 1_000);
  return `Lock ${name} is held by ${who}: fencing token ${token}, expires in ${left}`;
}
