/**
 * Whether a history of operations on registers could have happened one at a time, each between its call and its
 * return: Wing and Gong's search (1993) with Lowe's memory of configurations (2017). Keys are independent, so each is
 * searched alone. Knows nothing of how the system works.
 */
import { Prng } from "../base/prng.ts";

/** A register holds a number; 0 before the first write. */
export type RegisterOperation =
  | { readonly kind: "write"; readonly value: number }
  /** Writes `value` if the register holds `expected`. */
  | { readonly kind: "swap"; readonly expected: number; readonly value: number }
  | { readonly kind: "read" };

export interface HistoryEntry {
  readonly client: string;
  readonly key: string;
  readonly operation: RegisterOperation;
  /** Moments in one order over all clients; `returned` is Infinity for what was never answered. */
  readonly called: number;
  readonly returned: number;
  /** A read's value; of a swap 1 when it wrote and 0 when not; null when unknown (or of a write). */
  readonly output: number | null;
}

/** `undecided`: the search was given up at its limit. */
export type Verdict =
  | { readonly kind: "linearizable" }
  | { readonly kind: "violation"; readonly key: string; readonly around: readonly HistoryEntry[] }
  | { readonly kind: "undecided"; readonly key: string };

/** Moments of one key in their order, as a doubly linked list that calls and their returns leave and enter again. */
interface Moment {
  readonly operation: number;
  /** That of the return, at a call; null at a return. */
  readonly match: Moment | null;
  previous: Moment | null;
  next: Moment | null;
}

const searchLimit = 5_000_000;
const impossible = Symbol("impossible");

export function checkHistory(history: readonly HistoryEntry[], limit: number = searchLimit): Verdict {
  const keys = new Map<string, HistoryEntry[]>();
  for (const entry of history) {
    // A read without an answer says nothing.
    if (entry.operation.kind === "read" && entry.output === null) continue;
    const entries = keys.get(entry.key);
    if (entries === undefined) keys.set(entry.key, [entry]);
    else entries.push(entry);
  }
  for (const [key, entries] of keys) {
    const verdict = new Search(key, entries).run(limit);
    if (verdict.kind !== "linearizable") return verdict;
  }
  return { kind: "linearizable" };
}

class Search {
  readonly #head: Moment;
  readonly #marks: readonly (readonly [number, number])[];
  readonly #seen = new Set<string>();
  #high = 0;
  #low = 0;

  constructor(
    private readonly key: string,
    private readonly entries: readonly HistoryEntry[],
  ) {
    this.#head = linked(entries);
    const prng = new Prng(entries.length);
    this.#marks = entries.map(() => [prng.u32(), prng.u32()]);
  }

  run(limit: number): Verdict {
    const stack: { readonly moment: Moment; readonly state: number }[] = [];
    let left = this.entries.filter(({ returned }) => returned !== Infinity).length;
    let state = 0;
    let moment = this.#head.next;
    let furthest = 0;
    for (let steps = 0; left > 0; steps++) {
      if (steps > limit) return { kind: "undecided", key: this.key };
      if (moment?.match) {
        const next = after(state, this.entries[moment.operation]);
        if (next !== impossible && this.#isNew(moment.operation, next)) {
          stack.push({ moment, state });
          state = next;
          if (this.#returns(moment)) left--;
          lift(moment);
          moment = this.#head.next;
          furthest = Math.max(furthest, stack.length);
        } else moment = moment.next;
        continue;
      }
      // A return whose call found no place before it: the last choice was wrong.
      const last = stack.pop();
      if (last === undefined) return this.#violation(furthest);
      ({ state } = last);
      this.#toggle(last.moment.operation);
      unlift(last.moment);
      if (this.#returns(last.moment)) left++;
      moment = last.moment.next;
    }
    return { kind: "linearizable" };
  }

  #returns({ operation }: Moment): boolean {
    return this.entries[operation]?.returned !== Infinity;
  }

  /** Takes the operation into the set of those done, unless that set with that state was tried before. */
  #isNew(operation: number, state: number): boolean {
    this.#toggle(operation);
    const key = `${this.#high}.${this.#low}.${state}`;
    if (!this.#seen.has(key)) {
      this.#seen.add(key);
      return true;
    }
    this.#toggle(operation);
    return false;
  }

  #toggle(operation: number): void {
    const [high, low] = this.#marks[operation] ?? [0, 0];
    this.#high = (this.#high ^ high) >>> 0;
    this.#low = (this.#low ^ low) >>> 0;
  }

  #violation(furthest: number): Verdict {
    const sorted = [...this.entries].sort((a, b) => a.called - b.called);
    return {
      kind: "violation",
      key: this.key,
      around: sorted.slice(Math.max(0, furthest - 6), furthest + 4),
    };
  }
}

/** The state after `entry` was carried out at `state`, or that it cannot have been. */
function after(state: number, entry: HistoryEntry | undefined): number | typeof impossible {
  if (entry === undefined) return impossible;
  const { operation, output } = entry;
  if (operation.kind === "write") return operation.value;
  if (operation.kind === "read") return output === state ? state : impossible;
  const writes = state === operation.expected;
  if (output !== null && output !== (writes ? 1 : 0)) return impossible;
  return writes ? operation.value : state;
}

function linked(entries: readonly HistoryEntry[]): Moment {
  const points = entries.flatMap(({ called, returned }, operation) => [
    { at: called, operation, call: true },
    { at: returned, operation, call: false },
  ]);
  points.sort((a, b) => a.at - b.at || (a.call ? 0 : 1) - (b.call ? 0 : 1) || a.operation - b.operation);
  const returns = entries.map((_, operation): Moment => ({
    operation,
    match: null,
    previous: null,
    next: null,
  }));
  const head: Moment = { operation: -1, match: null, previous: null, next: null };
  let tail = head;
  for (const { operation, call } of points) {
    const end = returns[operation] ?? head;
    const moment: Moment = call ? { operation, match: end, previous: null, next: null } : end;
    moment.previous = tail;
    tail.next = moment;
    tail = moment;
  }
  return head;
}

function lift(call: Moment): void {
  for (const moment of [call, call.match]) {
    if (moment?.previous) moment.previous.next = moment.next;
    if (moment?.next) moment.next.previous = moment.previous;
  }
}

function unlift(call: Moment): void {
  for (const moment of [call.match, call]) {
    if (moment?.previous) moment.previous.next = moment;
    if (moment?.next) moment.next.previous = moment;
  }
}
