/**
 * The disk of a simulated participant: its log and its promises, written in transactions that are done later, in their
 * order. It may be slow, hang, or fail; a crash keeps some of what was under way, always a beginning of it.
 */
import type { Configuration, ConfigurationAt } from "../../raft/configuration.ts";
import { decodeConfiguration } from "../../raft/configuration-codec.ts";
import type { RaftEffect } from "../../raft/effects.ts";
import type { Entry, HardState, LogPosition, LogView, RaftStored } from "../../raft/entry.ts";
import { foundingRecords } from "../../raft/options.ts";
import type { SnapshotMark } from "../../raft/messages.ts";

type Persist = Extract<RaftEffect, { readonly kind: "persist" }>;

export interface DiskWrite {
  readonly change: () => void;
  /** Not called when a crash or an error came first. */
  readonly done: () => void;
}

export class RaftDisk implements LogView {
  hardState: HardState = { term: 0, vote: null, commit: 0 };
  base: LogPosition = { index: 0, term: 0 };
  #baseConfiguration: ConfigurationAt | null = null;
  #entries: Entry[] = [];
  /** A snapshot that is being installed: the log follows when the state machine is known to be replaced. */
  installing: SnapshotMark | null = null;
  /** Under way, oldest first. */
  readonly writes: DiskWrite[] = [];
  hungUntil = -Infinity;
  failing = false;

  /** Begins with the same founding entry as every first member. */
  found(configuration: Configuration): void {
    const { hardState, entries } = foundingRecords(configuration);
    this.hardState = hardState;
    this.#entries = [...entries];
  }

  get last(): LogPosition {
    const last = this.#entries.at(-1);
    return last === undefined ? this.base : { index: last.index, term: last.term };
  }

  get held(): readonly Entry[] {
    return this.#entries;
  }

  term(index: number): number {
    if (index === this.base.index) return this.base.term;
    return this.#at(index).term;
  }

  entries(from: number, to: number, limit_bytes: number): readonly Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index++) {
      const entry = this.#at(index);
      bytes += entry.data.length;
      if (found.length > 0 && bytes > limit_bytes) break;
      found.push(entry);
    }
    return found;
  }

  /** Whether the log here has that very entry, or had it before it was compacted. */
  has({ index, term }: LogPosition): boolean {
    if (index <= this.base.index) return true;
    return index <= this.last.index && this.term(index) === term;
  }

  persist({ hardState, reset, truncateFrom, entries }: Persist): void {
    if (reset !== null) this.reset(reset.base, reset.configuration);
    if (truncateFrom !== null) this.#entries = this.#entries.filter(({ index }) => index < truncateFrom);
    this.#entries.push(...entries);
    if (hardState !== null) this.hardState = hardState;
  }

  compact(base: LogPosition, configuration: Configuration): void {
    if (base.index <= this.base.index) return;
    this.#entries = this.#entries.filter(({ index }) => index > base.index);
    this.base = base;
    this.#baseConfiguration = { index: base.index, configuration };
  }

  reset(base: LogPosition, configuration: Configuration): void {
    this.#entries = [];
    this.base = base;
    this.#baseConfiguration = { index: base.index, configuration };
  }

  stored(applied: number): RaftStored {
    const { hardState, base, last } = this;
    const configurations = this.#baseConfiguration === null ? [] : [this.#baseConfiguration];
    for (const { index, kind, data } of this.#entries)
      if (kind === "configuration") configurations.push({ index, configuration: decodeConfiguration(data) });
    return { hardState, base, last, configurations, applied };
  }

  /** `kept` of the writes under way had reached the disk. */
  crash(kept: number): void {
    for (const { change } of this.writes.splice(0).slice(0, kept)) change();
    this.failing = false;
    this.hungUntil = -Infinity;
  }

  #at(index: number): Entry {
    const entry = this.#entries[index - this.base.index - 1];
    if (entry?.index !== index) throw new Error(`the disk has no entry ${index}`);
    return entry;
  }
}
