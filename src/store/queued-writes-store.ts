/** The queue of a minority's writes as other threads have it: each promise resolves when the change is on disk. */
import type {
  NewQueuedWrite,
  QueuedSince,
  QueuedWriteCounts,
  QueuedWriteRow,
  QueuedWriteToDo,
  SettledWrite,
  TakeLimit,
} from "./queued-writes-table.ts";
import type { Page } from "./store.ts";

export interface QueuedWritesStore {
  /** The write as it is kept; another one when its principal's Idempotency-Key waits already. Throws `unavailable` when full. */
  put(write: NewQueuedWrite, limit: number): Promise<QueuedWriteRow>;
  /** The oldest that wait, in order, from now on `replaying`: a crash finds them so. */
  take(limit: TakeLimit): Promise<readonly QueuedWriteToDo[]>;
  /** Nothing of them has happened: `queued` again. */
  putBack(ids: readonly string[]): Promise<void>;
  settle(settled: readonly SettledWrite[]): Promise<void>;
  /** All that were never begun become `refused` with this detail; how many. */
  refuseUnbegun(detail: string): Promise<number>;
  get(id: string): Promise<QueuedWriteRow | undefined>;
  /** Newest first. */
  list(
    options: QueuedSince & { readonly limit: number; readonly cursor: string | null },
  ): Promise<Page<QueuedWriteRow>>;
  counts(of: QueuedSince): Promise<QueuedWriteCounts>;
}
