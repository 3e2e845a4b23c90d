/**
 * Reads a participant's log anew, for people who ask whether it is sound: each entry against its checksum, a slice at a
 * time, between heartbeats; the file's structure; and that what is applied was committed and is still known.
 */
import { CaxtonError } from "../../base/errors.ts";
import type { RaftStatus } from "../../raft/status.ts";
import type { RaftLog } from "../../store/raft-log.ts";

export interface LogInspection {
  readonly compacted: number;
  readonly applied: number;
  readonly commit: number;
  readonly last: number;
  /** Entries of this slice that are sound. */
  readonly checked: number;
  /** Where to go on; null at the end. */
  readonly next: number | null;
  /** What is wrong; null where nothing is. */
  readonly damage: string | null;
}

const slice_entries = 2_000;

/** `from` 0 looks at the file as well. */
export function inspectLog(log: RaftLog, status: RaftStatus, from: number): LogInspection {
  const { applied, commit } = status;
  const { last, base } = log;
  const found = { compacted: base.index, applied, commit, last: last.index };
  try {
    if (applied > commit || commit > last.index || applied < base.index)
      throw new CaxtonError(
        "data_corrupt",
        `it begins after ${base.index} and ends at ${last.index}, with ${commit} committed and ${applied} applied`,
      );
    if (from === 0) log.checkFile();
    const first = Math.max(from, base.index + 1);
    const end = Math.min(first + slice_entries - 1, last.index);
    if (first <= end) log.check(first, end);
    return {
      ...found,
      checked: Math.max(0, end - first + 1),
      next: end < last.index ? end + 1 : null,
      damage: null,
    };
  } catch (thrown) {
    if (!(thrown instanceof CaxtonError)) throw thrown;
    return { ...found, checked: 0, next: null, damage: thrown.message };
  }
}
