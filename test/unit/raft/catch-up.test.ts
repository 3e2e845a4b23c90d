/** A follower far behind: brought up slowly enough for those who write, and quickly enough that it ends. */
import { describe, expect, test } from "vitest";
import { idOf, RaftCore } from "../../support/raft-core.ts";

const command = new Uint8Array(8);
const limits = { cacheEntries: 64, trailingEntries: 100_000, farEntries: 100, portionEntries: 20 };
const behind = 500;

/** A leader "a" that "b" follows, and "c" whose answers come so late after what was sent to it. */
class Race {
  readonly leader: RaftCore;
  readonly #answers: { readonly at: number; readonly match: number }[] = [];
  #proposals = 0;
  #round = 0;
  /** Entries sent to "c". */
  sent = 0;

  /** Of the appends to "c" that carried some. */
  readonly counts: number[] = [];

  constructor(
    private readonly answer_ms: number,
    appendEntries = 1_024,
  ) {
    this.leader = new RaftCore("a", ["a", "b", "c"], { limits: { ...limits, appendEntries } })
      .elect("b")
      .followed("b")
      .followed("b");
    while (this.last < behind) this.write(50);
    this.leader.hear("c", { kind: "refused", term: 2, previous: 1, hint: { index: 0, term: 0 }, last: 0 });
    this.#look();
    this.sent = 0;
  }

  get last(): number {
    return this.leader.raft.log.last.index;
  }

  get gap(): number {
    const match = this.leader.raft.status(this.leader.now).peers.find(({ id }) => id === idOf("c"))?.match;
    return this.last - (match ?? 0);
  }

  write(count: number, committed = true): void {
    const inputs = Array.from(
      { length: count },
      () => ({ kind: "propose", id: ++this.#proposals, data: command }) as const,
    );
    this.leader.give(...inputs);
    if (committed) this.#hear("b", this.last);
  }

  /** So many milliseconds, with a write in each so-manieth; stops when "c" is no longer far. Returns how long it took. */
  run(limit_ms: number, every_ms: number, committed = true): number {
    for (let ms = 1; ms <= limit_ms; ms++) {
      if (ms % every_ms === 0) this.write(1, committed);
      this.leader.wait(1);
      this.#look();
      for (const { at, match } of this.#answers.splice(0)) {
        if (at > this.leader.now) this.#answers.push({ at, match });
        else this.#hear("c", match);
      }
      if (committed) this.#hear("b", this.last);
      this.#look();
      if (this.gap < limits.farEntries) return ms;
    }
    return Infinity;
  }

  /** With an answer to the last heartbeat. */
  #hear(from: string, match: number): void {
    this.leader.hear(from, { kind: "appended", term: 2, match });
    this.leader.hear(from, { kind: "heartbeat-reply", term: 2, round: this.#round });
  }

  #look(): void {
    this.#round = Math.max(this.#round, ...this.leader.heartbeats());
    for (const { to, message } of this.leader.sent.splice(0)) {
      if (to !== idOf("c") || message.kind !== "append") continue;
      this.sent += message.entries.length;
      this.counts.push(message.entries.length);
      const match = message.previous.index + message.entries.length;
      this.#answers.push({ at: this.leader.now + this.answer_ms, match });
    }
  }
}

describe("a follower far behind", () => {
  test("gets there however long clients go on writing, and takes its share only", () => {
    for (const answer_ms of [1, 8, 40]) {
      const race = new Race(answer_ms);
      const from = race.last;
      const took_ms = race.run(15_000, 2);
      expect(took_ms).toBeLessThan(15_000);
      // What those who write leave it, and a sixth of its own time.
      const ofGrowth = 2 * (race.last - from);
      const ofTime = (took_ms * limits.portionEntries) / (6 * answer_ms);
      expect(race.sent).toBeLessThanOrEqual(
        ofGrowth + ofTime + 4 * limits.portionEntries + limits.farEntries,
      );
    }
  });

  test("gets a portion in as many appends as it takes, at the same pace", () => {
    const [whole, parts] = [new Race(8), new Race(8, 7)];
    const times_ms = [whole, parts].map((race) => race.run(15_000, 2));
    expect(times_ms[1]).toBe(times_ms[0]);
    expect(parts.sent).toBe(whole.sent);
    // After the probes, each of one append.
    expect(parts.counts.slice(2, 8)).toEqual([7, 7, 6, 7, 7, 6]);
  });

  test("comes nearer with every stretch of writing: it never starves", () => {
    const race = new Race(40);
    for (let gap = race.gap; gap >= limits.farEntries;) {
      race.run(400, 2);
      expect(race.gap).toBeLessThan(gap);
      gap = race.gap;
    }
  });

  test("gets everything at once where nobody writes", () => {
    const race = new Race(1);
    // 500 entries, four portions of 20 under way, each answered after a millisecond.
    expect(race.run(1_000, Infinity)).toBeLessThanOrEqual(15);
  });

  test("gets a portion in six of its own times where little is written", () => {
    const race = new Race(4);
    expect(race.run(10_000, 10)).toBeLessThanOrEqual((behind / limits.portionEntries) * 6 * 5);
  });

  test("is held back by nothing when nothing is committed without it", () => {
    const race = new Race(1);
    race.run(30, 2);
    expect(race.run(1_000, 2, false)).toBeLessThanOrEqual(15);
  });
});
