/**
 * The durable side of an agent thread: what must be on disk before it may have an effect. Entries
 * gather while a commit is under way and go to the store together when it has ended, one commit at a
 * time; so when one fails, nothing that builds on it was written, and everything since can be undone.
 * Order: entries are released in the order in which they were added.
 */
import { reasonOf } from "../../base/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Store } from "../../store/store.ts";
import type { HandledRecord, JournalRecord } from "../../wire/journal-record.ts";
import type { AgentFace, Outgoing } from "./agent-face.ts";

/** With so many gathered and no commit under way one begins, so that the store works while the thread does. */
const groupStart_entries = 128;
/** Entries and bytes that may gather behind a commit under way; beyond it durable agents wait. */
const gatherLimit_entries = 4_096;
const gatherLimit_bytes = 16 * 1024 * 1024;
/** One append to the store ends when it has this much; a larger entry travels alone. */
const appendTarget_bytes = 8 * 1024 * 1024;
/** Notes (dead letters, outbox ends) kept through failing commits; the oldest beyond it are lost and reported. */
const noteLimit_bytes = 16 * 1024 * 1024;
/** After a failure, how long until the next attempt: doubling from the first to the last. */
const firstRetry_ms = 50;
const lastRetry_ms = 5_000;

export type CommitEntry =
  /** `ticket` is main's, or 0 when an agent of this thread sent it. */
  | {
      readonly kind: "accepted";
      readonly agent: AgentFace;
      readonly message: Uint8Array;
      readonly ticket: number;
    }
  /** A handled message or timer of a durable agent. */
  | {
      readonly kind: "handled";
      readonly agent: AgentFace;
      readonly record: HandledRecord;
      readonly also: readonly JournalRecord[];
      readonly sends: readonly Outgoing[];
    };

export interface CommitResults {
  durable(entries: readonly CommitEntry[]): void;
  /** Nothing of them is on disk. */
  failed(entries: readonly CommitEntry[], reason: string): void;
  /** Notes that could not be kept. */
  notesLost(count: number): void;
  /** `blocked` or `full` is no longer so. */
  unblocked(): void;
}

export class CommitQueue {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #results: CommitResults;
  #gathering: CommitEntry[] = [];
  #gathering_bytes = 0;
  #notes: JournalRecord[] = [];
  #notes_bytes = 0;
  #inFlight = false;
  #blocked = false;
  #failures = 0;
  #gatheringWaiters: (() => void)[] = [];
  #flightWaiters: (() => void)[] = [];

  constructor(store: Store, clock: Clock, results: CommitResults) {
    this.#store = store;
    this.#clock = clock;
    this.#results = results;
  }

  /** The store refused the last commit, and the next attempt is not yet due. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Durable agents must wait: too much has gathered, or the store refuses. */
  get full(): boolean {
    return (
      this.#blocked ||
      this.#gathering.length >= gatherLimit_entries ||
      this.#gathering_bytes >= gatherLimit_bytes
    );
  }

  /** Enough has gathered for a commit that can begin now. */
  get due(): boolean {
    return !this.#inFlight && !this.#blocked && this.#gathering.length >= groupStart_entries;
  }

  /** Notes wait for the store. */
  get notes(): number {
    return this.#notes.length;
  }

  add(entry: CommitEntry): void {
    entry.agent.uncommitted++;
    this.#gathering.push(entry);
    this.#gathering_bytes += sizeOf(entry);
  }

  /** A record that no agent waits for; kept through failures. */
  note(record: JournalRecord): void {
    this.#notes.push(record);
    this.#notes_bytes += noteSize(record);
    if (this.#notes_bytes > noteLimit_bytes) this.#dropNotes();
  }

  /** Starts a commit when there is something to commit and none is under way. Call at the end of each drain. */
  flush(): void {
    if (this.#inFlight || this.#blocked) return;
    if (this.#gathering.length === 0 && this.#notes.length === 0) return;
    const wasFull = this.full;
    const { entries, bytes } = this.#takeEntries();
    const notes = this.#takeNotes(appendTarget_bytes - bytes);
    this.#flightWaiters = this.#gathering.length === 0 ? this.#gatheringWaiters.splice(0) : [];
    this.#inFlight = true;
    const records: JournalRecord[] = [...notes];
    for (const entry of entries) {
      if (entry.kind === "accepted") {
        records.push({ kind: "accepted", agent: entry.agent.name, message: entry.message });
      } else {
        records.push(entry.record, ...entry.also);
      }
    }
    if (wasFull) this.#results.unblocked();
    this.#store.append(records).then(
      () => this.#succeeded(entries),
      (error: unknown) => this.#failed(entries, notes, reasonOf(error)),
    );
  }

  /** Resolves when everything added so far has been committed or has failed. */
  passed(): Promise<void> {
    if (!this.#inFlight && this.#gathering.length === 0 && this.#notes.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      if (this.#gathering.length === 0 && this.#notes.length === 0) this.#flightWaiters.push(resolve);
      else this.#gatheringWaiters.push(resolve);
      this.flush();
    });
  }

  #succeeded(entries: readonly CommitEntry[]): void {
    this.#inFlight = false;
    this.#failures = 0;
    for (const { agent } of entries) agent.uncommitted--;
    // Taken first: what the results lead to may begin the next commit, which has waiters of its own.
    const waiters = this.#flightWaiters.splice(0);
    this.#results.durable(entries);
    this.#answer(waiters);
    this.flush();
  }

  #failed(entries: readonly CommitEntry[], notes: readonly JournalRecord[], reason: string): void {
    this.#inFlight = false;
    // What gathered meanwhile may build on what failed.
    const all = [...entries, ...this.#gathering];
    this.#gathering = [];
    this.#gathering_bytes = 0;
    this.#notes = [...notes, ...this.#notes];
    for (const note of notes) this.#notes_bytes += noteSize(note);
    if (this.#notes_bytes > noteLimit_bytes) this.#dropNotes();
    this.#blocked = true;
    const wait_ms = Math.min(lastRetry_ms, firstRetry_ms * 2 ** Math.min(this.#failures++, 10));
    this.#clock.after(wait_ms, () => {
      this.#blocked = false;
      this.#results.unblocked();
      this.flush();
    });
    for (const { agent } of all) agent.uncommitted--;
    this.#results.failed(all, reason);
    this.#answer([...this.#flightWaiters.splice(0), ...this.#gatheringWaiters.splice(0)]);
  }

  /** The oldest entries, as many as one append takes. */
  #takeEntries(): { readonly entries: readonly CommitEntry[]; readonly bytes: number } {
    let count = 0;
    let bytes = 0;
    for (const entry of this.#gathering) {
      const size = sizeOf(entry);
      if (count > 0 && bytes + size > appendTarget_bytes) break;
      count++;
      bytes += size;
    }
    const entries = this.#gathering.splice(0, count);
    this.#gathering_bytes -= bytes;
    return { entries, bytes };
  }

  #takeNotes(room_bytes: number): readonly JournalRecord[] {
    let count = 0;
    let bytes = 0;
    for (const note of this.#notes) {
      const size = noteSize(note);
      if (bytes + size > room_bytes && !(count === 0 && room_bytes === appendTarget_bytes)) break;
      count++;
      bytes += size;
    }
    this.#notes_bytes -= bytes;
    return this.#notes.splice(0, count);
  }

  #answer(waiters: readonly (() => void)[]): void {
    for (const waiter of waiters) waiter();
  }

  #dropNotes(): void {
    let dropped = 0;
    while (this.#notes_bytes > noteLimit_bytes / 2 && dropped < this.#notes.length) {
      this.#notes_bytes -= noteSize(this.#notes[dropped++] as JournalRecord);
    }
    this.#notes.splice(0, dropped);
    this.#results.notesLost(dropped);
  }
}

function noteSize(note: JournalRecord): number {
  return 64 + (note.kind === "dead" ? note.message.length : 0);
}

function sizeOf(entry: CommitEntry): number {
  if (entry.kind === "accepted") return entry.message.length;
  let bytes = 128;
  for (const { key, value } of entry.record.state) bytes += key.length + (value?.length ?? 0);
  for (const { message } of entry.record.sends) bytes += message.length;
  return bytes;
}
