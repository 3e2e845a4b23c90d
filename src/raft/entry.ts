/**
 * What the log holds and what survives a crash: entries, hard state, and the view that the core has of the
 * log on disk. Indices and terms are safe integers; index 0, term 0 stands before the first entry.
 */
import type { ConfigurationAt, RaftId } from "./configuration.ts";

/**
 * `command` is the state machine's; `configuration` an encoded `Configuration`; `noop` what a new leader begins its
 * term with; `stripped` is what a witness holds in place of a command: index and term without the data.
 */
export type EntryKind = "command" | "configuration" | "noop" | "stripped";

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** An entry's place: Raft's unique name of everything up to it. */
export interface LogPosition {
  readonly index: number;
  readonly term: number;
}

/** `commit` is a hint (what was known when something else was written); `term` and `vote` are promises. */
export interface HardState {
  readonly term: number;
  readonly vote: RaftId | null;
  readonly commit: number;
}

/**
 * The log on disk, read synchronously: what completed `persist` and `compact` effects made of it. The core asks
 * only for entries that it has been told are persisted. An entry that is damaged or missing must throw.
 */
export interface LogView {
  /** Of the entry at `index`, base.index < index ≤ last persisted. */
  term(index: number): number;
  /** Entries from `from` on, at most to `to` inclusive: at least one, then while the data stays ≤ `limit_bytes`. */
  entries(from: number, to: number, limit_bytes: number): readonly Entry[];
}

/** What the disk holds when a core starts. */
export interface RaftStored {
  readonly hardState: HardState;
  /** The last compacted entry; 0, 0 when nothing is. */
  readonly base: LogPosition;
  readonly last: LogPosition;
  /** The configuration at the base (when there is one), then that of each configuration entry in the log. */
  readonly configurations: readonly ConfigurationAt[];
  /** How far the state machine has applied; at or behind `last`, at or after `base`. A witness: base.index. */
  readonly applied: number;
}

/** Counted against every bound in bytes beside an entry's data. */
export const entryOverhead_bytes = 24;

export function sizeOf_bytes(entry: Entry): number {
  return entry.data.length + entryOverhead_bytes;
}
