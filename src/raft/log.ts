/**
 * The log as the core sees it: the entries on disk through a view, and in memory everything that is not on disk yet
 * beside a bounded cache of recent entries. Invariant: base ≤ commit ≤ last; base ≤ stable ≤ last; whatever is above
 * `stable` or above `commit` is in memory.
 */
import { assert, present } from "../base/assert.ts";
import { type Entry, type LogPosition, type LogView, sizeOf_bytes } from "./entry.ts";
import type { RaftLimits } from "./options.ts";

/** The log's own shares of the core's bounds. */
type CacheLimits = Pick<RaftLimits, "cacheEntries" | "cache_bytes">;

interface Writing {
  readonly id: number;
  /** The last index that it makes durable; lowered when a later truncation takes entries back. */
  last: number;
}

export class RaftLog {
  #base: LogPosition;
  #last: LogPosition;
  #stable: number;
  #commit: number;
  /** Entries from `#first` to the last one. */
  #cache: Entry[] = [];
  #first: number;
  #cache_bytes = 0;
  /** Persists that are under way, oldest first. */
  #writing: Writing[] = [];
  /** What the next persist has to take back, and from where on it has to write. */
  #truncateFrom: number | null = null;
  #unwrittenFrom: number;

  constructor(
    base: LogPosition,
    last: LogPosition,
    commit: number,
    private readonly view: LogView,
    private readonly limits: CacheLimits,
  ) {
    assert(base.index <= last.index, "a log does not end before its base");
    this.#base = base;
    this.#last = last;
    this.#stable = last.index;
    this.#commit = Math.min(Math.max(commit, base.index), last.index);
    this.#first = last.index + 1;
    this.#unwrittenFrom = last.index + 1;
  }

  get base(): LogPosition {
    return this.#base;
  }

  get last(): LogPosition {
    return this.#last;
  }

  /** Up to here the log is on disk. */
  get stable(): number {
    return this.#stable;
  }

  get commit(): number {
    return this.#commit;
  }

  /** Of an index in [base, last]. */
  term(index: number): number {
    if (index === this.#last.index) return this.#last.term;
    if (index >= this.#first) return present(this.#cache[index - this.#first], `entry ${index}`).term;
    if (index === this.#base.index) return this.#base.term;
    assert(index > this.#base.index, "the term of a compacted entry is not asked for");
    return this.view.term(index);
  }

  matches({ index, term }: LogPosition): boolean {
    return index >= this.#base.index && index <= this.#last.index && this.term(index) === term;
  }

  /** Whether a log that ends at `other` has everything that this one may have committed (section 5.4.1). */
  isUpToDate(other: LogPosition): boolean {
    if (other.term !== this.#last.term) return other.term > this.#last.term;
    return other.index >= this.#last.index;
  }

  /** The last position at or below `index` whose term is at most `term`: by halving, since terms never fall. */
  lastWithTermAtMost(index: number, term: number): LogPosition {
    let low = this.#base.index;
    let high = Math.min(index, this.#last.index);
    if (this.term(high) <= term) return { index: high, term: this.term(high) };
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.term(middle) <= term) low = middle;
      else high = middle;
    }
    return { index: low, term: this.term(low) };
  }

  /** Whether the entry is read from the disk. */
  isCold(index: number): boolean {
    return index < this.#first;
  }

  /** Consecutive entries from `from` on (base < from ≤ to ≤ last): at least one, within the bounds. */
  entries(from: number, to: number, count: number, limit_bytes: number): readonly Entry[] {
    const end = Math.min(to, from + count - 1);
    if (from < this.#first) return this.view.entries(from, Math.min(end, this.#first - 1), limit_bytes);
    const start = from - this.#first;
    let stop = start + 1;
    let bytes = sizeOf_bytes(present(this.#cache[start], `entry ${from}`));
    for (const last = end - this.#first; stop <= last; stop++) {
      bytes += sizeOf_bytes(present(this.#cache[stop], "an entry in memory"));
      if (bytes > limit_bytes) break;
    }
    return this.#cache.slice(start, stop);
  }

  append(entry: Entry): void {
    assert(entry.index === this.#last.index + 1, "entries follow each other without a gap");
    assert(entry.term >= this.#last.term, "terms in a log never fall");
    this.#cache.push(entry);
    this.#cache_bytes += sizeOf_bytes(entry);
    this.#last = { index: entry.index, term: entry.term };
  }

  /** Takes back `from` and everything after it. */
  truncate(from: number): void {
    assert(from > this.#commit, "what is committed is never taken back");
    if (from > this.#last.index) return;
    this.#last = { index: from - 1, term: this.term(from - 1) };
    while (this.#first + this.#cache.length > from) {
      const entry = this.#cache.pop();
      if (entry === undefined) break;
      this.#cache_bytes -= sizeOf_bytes(entry);
    }
    if (this.#cache.length === 0) this.#first = from;
    if (from < this.#unwrittenFrom) {
      this.#truncateFrom = Math.min(from, this.#truncateFrom ?? from);
      this.#unwrittenFrom = from;
    }
    this.#stable = Math.min(this.#stable, from - 1);
    for (const writing of this.#writing) writing.last = Math.min(writing.last, from - 1);
  }

  commitTo(index: number): void {
    assert(index <= this.#last.index, "only what is in the log can be committed");
    this.#commit = Math.max(this.#commit, index);
  }

  /** What the next persist must write; null when nothing is new. `persist` is its id. */
  takeUnwritten(
    persist: number,
  ): { readonly truncateFrom: number | null; readonly entries: readonly Entry[] } | null {
    const from = this.#unwrittenFrom;
    if (from > this.#last.index && this.#truncateFrom === null) return null;
    const entries = from > this.#last.index ? [] : this.#cache.slice(from - this.#first);
    const truncateFrom = this.#truncateFrom;
    this.#truncateFrom = null;
    this.#unwrittenFrom = this.#last.index + 1;
    this.#writing.push({ id: persist, last: this.#last.index });
    return { truncateFrom, entries };
  }

  persisted(id: number): void {
    let done = 0;
    for (const writing of this.#writing) {
      if (writing.id > id) break;
      this.#stable = Math.max(this.#stable, writing.last);
      done++;
    }
    this.#writing.splice(0, done);
    this.#trim();
  }

  /** Forgets up to `index`, which is applied. */
  compact(index: number): void {
    assert(index <= this.#commit && index <= this.#stable, "only what is committed and on disk is compacted");
    this.#base = { index, term: this.term(index) };
    this.#dropFront(index + 1 - this.#first);
  }

  /** A snapshot takes the place of everything. */
  reset(base: LogPosition): void {
    this.#base = base;
    this.#last = base;
    this.#stable = base.index;
    this.#commit = base.index;
    this.#cache = [];
    this.#cache_bytes = 0;
    this.#first = base.index + 1;
    this.#unwrittenFrom = base.index + 1;
    this.#truncateFrom = null;
    this.#writing = [];
  }

  /** Keeps the cache in its bounds, in strokes of a quarter so that the cost stays small. */
  #trim(): void {
    const { cacheEntries, cache_bytes } = this.limits;
    if (this.#cache.length <= cacheEntries && this.#cache_bytes <= cache_bytes) return;
    const keep = Math.floor((cacheEntries * 3) / 4);
    const free = Math.min(this.#stable, this.#commit) + 1 - this.#first;
    let count = Math.max(this.#cache.length - keep, 0);
    let left_bytes = this.#cache_bytes;
    for (let i = 0; i < this.#cache.length; i++) {
      if (i >= count && left_bytes <= (cache_bytes * 3) / 4) break;
      left_bytes -= sizeOf_bytes(present(this.#cache[i], "an entry in memory"));
      count = Math.max(count, i + 1);
    }
    this.#dropFront(Math.min(count, free));
  }

  #dropFront(count: number): void {
    if (count <= 0) return;
    for (const entry of this.#cache.splice(0, count)) this.#cache_bytes -= sizeOf_bytes(entry);
    this.#first = this.#cache[0]?.index ?? this.#last.index + 1;
  }
}
