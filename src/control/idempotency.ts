/**
 * Idempotency records: what became of the command that a principal sent under a key, for a day. The same
 * request again gets the same outcome, another one under the same key is refused.
 */
import { Writer } from "../wire/cursor.ts";
import { removeUpTo } from "./feature.ts";
import {
  idempotencyKeptUnderPressure_ms,
  idempotencyKept_ms,
  idempotencyRecords_max,
  sweep_max,
} from "./limits.ts";
import { type Section, type SectionDefinition, digestOf } from "./section.ts";

export const idempotencySection: SectionDefinition = {
  name: "idempotency",
  since: 1,
  key: { name: "id", type: "bytes" },
  columns: [
    { name: "kept_since_ms", type: "integer" },
    { name: "request", type: "bytes" },
    { name: "outcome", type: "bytes" },
  ],
  indexed: ["kept_since_ms"],
};

/** Of a key among all principals'. */
export function recordId(principal: string, key: string): Uint8Array {
  return digestOf(new Writer().text(principal).text(key).finish());
}

/** What makes a request the same one. */
export function requestDigest(kind: number, version: number, body: Uint8Array): Uint8Array {
  return digestOf(new Writer(body.length + 8).u16(kind).u8(version).raw(body).view());
}

export class IdempotencyRecords {
  readonly #section: Section;

  constructor(section: Section) {
    this.#section = section;
  }

  /** The outcome that was recorded; "other" when the key was used for another request. */
  find(id: Uint8Array, request: Uint8Array): Uint8Array | "other" | undefined {
    const row = this.#section.get(id);
    if (row === undefined) return undefined;
    return Buffer.compare(row["request"] as Uint8Array, request) === 0
      ? (row["outcome"] as Uint8Array)
      : "other";
  }

  /** False when there is no room for another record: the command must not be executed. */
  makeRoom(now_ms: number): boolean {
    if (this.#section.rows < idempotencyRecords_max) return true;
    const old_ms = now_ms - idempotencyKeptUnderPressure_ms;
    return old_ms >= 0 && removeUpTo(this.#section, "kept_since_ms", old_ms, sweep_max) > 0;
  }

  record(id: Uint8Array, request: Uint8Array, outcome: Uint8Array, now_ms: number): void {
    this.#section.put(undefined, [id, now_ms, request, outcome]);
  }

  sweep(now_ms: number): void {
    const old_ms = now_ms - idempotencyKept_ms;
    if (old_ms >= 0) removeUpTo(this.#section, "kept_since_ms", old_ms, sweep_max);
  }
}
