/** Versions as entity tags, and the conditions of requests on them (RFC 9110, section 13.1). */
import { CaxtonError } from "../../base/errors.ts";
import type { KvCondition } from "../../wire/control-kv.ts";

export function entityTag(version: number): string {
  return `"${version}"`;
}

const tag = /^(?:W\/)?"(\d{1,16})"$/;
const tags_max = 32;

/** Whether an `If-None-Match` of a read names the version. Tags that are not ours match nothing. */
export function matchesTag(header: string | undefined, version: number): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  return header.split(",", tags_max).some((part) => tag.exec(part.trim())?.[1] === String(version));
}

/** The condition of a write. Throws `invalid_argument` for headers that say nothing that can be kept. */
export function writeCondition(ifMatch: string | undefined, ifNoneMatch: string | undefined): KvCondition {
  if (ifMatch !== undefined && ifNoneMatch !== undefined) {
    throw new CaxtonError("invalid_argument", "Give If-Match or If-None-Match, not both");
  }
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() === "*") return "absent";
    throw new CaxtonError("invalid_argument", "If-None-Match of a write is *: only where there is no value");
  }
  if (ifMatch === undefined) return "any";
  if (ifMatch.trim() === "*") return "present";
  const version = /^"(\d{1,16})"$/.exec(ifMatch.trim())?.[1];
  if (version !== undefined && Number.isSafeInteger(Number(version)) && version !== "0")
    return Number(version);
  throw new CaxtonError("invalid_argument", 'If-Match is not * or one version like "5" in quotes');
}
