/** Hands committed entries to the state machine, one batch at a time, and lets the log go that nobody needs. */
import { sizeOf_bytes } from "./entry.ts";
import type { SnapshotSending } from "./snapshot-sending.ts";
import type { RaftState } from "./state.ts";

/** Compaction goes in strokes of this share of what it leaves. */
const stroke = 1 / 8;

export class Applying {
  /** The end of the batch under way; `applied` when there is none. */
  #to: number;
  /** Own commands in it. */
  #own_bytes = 0;

  constructor(
    private readonly state: RaftState,
    private readonly sending: SnapshotSending,
  ) {
    this.#to = state.applied;
  }

  applied(index: number): void {
    const { state } = this;
    state.applied = Math.max(state.applied, index);
    if (state.applied < this.#to) return;
    const { leadership } = state;
    if (leadership !== null)
      leadership.pending_bytes = Math.max(leadership.pending_bytes - this.#own_bytes, 0);
    this.#own_bytes = 0;
  }

  settled(index: number): void {
    this.state.settled = Math.max(this.state.settled, Math.min(index, this.state.applied));
  }

  /** A snapshot took the place of what was under way. */
  restart(): void {
    this.#to = this.state.applied;
    this.#own_bytes = 0;
  }

  run(): void {
    const { state } = this;
    const { log, options } = state;
    // What is applied is on disk here, too: the state machine is never ahead of its log.
    const end = Math.min(log.commit, log.stable);
    if (options.witness) {
      state.applied = end;
      state.settled = end;
    } else if (state.applied >= this.#to && end > state.applied && !state.installing) {
      const entries = log.entries(state.applied + 1, end, Infinity, options.limits.apply_bytes);
      this.#to = state.applied + entries.length;
      if (state.leadership !== null) {
        const { firstIndex } = state.leadership;
        for (const entry of entries)
          if (entry.index > firstIndex && entry.kind === "command") this.#own_bytes += sizeOf_bytes(entry);
      }
      state.out.emit({ kind: "apply", entries });
    }
    const { trailingEntries } = options.limits;
    this.#compact(trailingEntries, Math.max(1, Math.floor(trailingEntries * stroke)));
  }

  /** At once, and leaving nothing that need not stay. */
  compactAll(): void {
    this.#compact(0, 1);
  }

  /** Never past what the state machine has applied durably, nor what a snapshot transfer needs. */
  #compact(leave: number, least: number): void {
    const { state } = this;
    const { log, configurations } = state;
    const index = Math.min(state.settled - leave, this.sending.pinned);
    if (index < log.base.index + least || state.installing) return;
    log.compact(index);
    configurations.compact(index);
    state.out.emit({ kind: "compact", base: log.base, configuration: configurations.at(index) });
  }
}
