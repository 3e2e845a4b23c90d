/** A follower that is sent a snapshot: what it costs those who write, and that it gets there. */
import { describe, expect, test } from "vitest";
import { idOf, RaftCore } from "../../support/raft-core.ts";

const command = new Uint8Array(8);
const chunks = 40;
const window = 4;

/** A leader "a" that "b" follows, and "c" who needs a snapshot and takes so long to answer for a chunk. */
class Transfer {
  readonly leader: RaftCore;
  #effects = 0;
  #proposals = 100;
  #answers: { readonly at: number; readonly wanted: number }[] = [];
  #mark: { readonly transfer: number; readonly index: number } | null = null;
  #installed = false;
  /** When each chunk was sent, again or not. */
  readonly sent: { readonly at: number; readonly chunk: number }[] = [];

  constructor(
    private readonly answer_ms: number,
    snapshot_ms = 100_000,
    election_ms = 200,
  ) {
    const limits = { trailingEntries: 2, cacheEntries: 4, snapshotChunks: window, snapshot_ms };
    const options = { timing: { heartbeat_ms: election_ms / 4, election_ms } };
    this.leader = new RaftCore("a", ["a", "b", "c"], { limits, options }).elect("b").followed("b");
    for (let id = 1; id <= 20; id++) this.leader.give({ kind: "propose", id, data: command }).followed("b");
    this.leader.hear("c", { kind: "refused", term: 2, previous: 1, hint: { index: 0, term: 0 }, last: 0 });
    this.#look();
  }

  get closed(): boolean {
    return this.leader.effects.some(({ kind }) => kind === "snapshot-close");
  }

  /** With a write in each so-manieth millisecond. Returns after how long the last chunk was taken. */
  run(limit_ms: number, every_ms: number, answers = true): number {
    const from = this.leader.now;
    for (let ms = 1; ms <= limit_ms; ms++) {
      this.leader.wait(1);
      if (ms % every_ms === 0) this.leader.give({ kind: "propose", id: ++this.#proposals, data: command });
      this.leader.followed("b");
      this.#look();
      if (answers) this.#answer();
      this.#look();
      if (this.#installed) return this.leader.now - from;
    }
    return Infinity;
  }

  #answer(): void {
    const due = this.#answers.filter(({ at }) => at <= this.leader.now);
    this.#answers = this.#answers.filter(({ at }) => at > this.leader.now);
    for (const { wanted } of due) {
      const { transfer = 0, index = 0 } = this.#mark ?? {};
      this.#installed ||= wanted === chunks;
      const state = wanted === chunks ? "installed" : "receiving";
      this.leader.hear("c", {
        kind: "snapshot-reply",
        term: 2,
        transfer,
        position: { index, term: 2 },
        state,
        wanted,
      });
    }
  }

  #look(): void {
    for (; this.#effects < this.leader.effects.length; this.#effects++) {
      const effect = this.leader.effects[this.#effects];
      if (effect?.kind === "snapshot-open") {
        const { transfer } = effect;
        this.#answers = [];
        const position = { index: this.leader.raft.log.commit, term: 2 };
        this.#mark = { transfer, index: position.index };
        this.leader.give({ kind: "snapshot-opened", transfer, position });
      } else if (effect?.kind === "snapshot-read") {
        const { transfer, chunk } = effect;
        const final = chunk === chunks - 1;
        this.leader.give({ kind: "snapshot-chunk", transfer, chunk, bytes: command, final });
      }
    }
    for (const { to, message } of this.leader.sent.splice(0)) {
      if (to !== idOf("c") || message.kind !== "snapshot") continue;
      const at = this.leader.now;
      this.sent.push({ at, chunk: message.chunk });
      this.#answers.push({ at: at + this.answer_ms, wanted: message.chunk + 1 });
    }
  }
}

describe("a follower that is sent a snapshot", () => {
  test("takes one in seven of its own times while others write, and each chunk is sent once", () => {
    const transfer = new Transfer(8);
    const took_ms = transfer.run(20_000, 2);
    const portions = chunks / window;
    expect(took_ms).toBeGreaterThanOrEqual((portions - 1) * 6 * 8);
    expect(took_ms).toBeLessThanOrEqual(portions * 8 * 8);
    expect(transfer.sent.map(({ chunk }) => chunk)).toEqual(Array.from({ length: chunks }, (_, i) => i));
  });

  test("is held back by nothing where nobody writes", () => {
    const transfer = new Transfer(8);
    expect(transfer.run(20_000, Infinity)).toBeLessThanOrEqual((chunks / window) * 9);
  });

  test("rests no more when half of its time is over: it is not for nothing", () => {
    const transfer = new Transfer(100, 8_000);
    // At its pace it would take 7 times 10 portions of 100 ms, and half of its time is 4 s.
    expect(transfer.run(20_000, 2)).toBeLessThanOrEqual(4_000 + (chunks / window) * 110);
    expect(transfer.sent.at(-1)?.at).toBeGreaterThan(4_000);
  });

  test("does not lose its turn while the leader rests, however short the time-outs are", () => {
    const transfer = new Transfer(150, 100_000, 40);
    // Each rest is longer than the silence that would end the transfer.
    expect(transfer.run(15_000, 2)).toBeLessThan(15_000);
  });

  test("is given up at its deadline, though it goes on", () => {
    const transfer = new Transfer(300, 2_000);
    expect(transfer.run(2_500, 2)).toBe(Infinity);
    expect(transfer.closed).toBe(true);
  });

  test("that was too slow for the leader's rests gets it at the next try without them", () => {
    // Without any it takes 3 s, and half of its time is not enough for most of it.
    const transfer = new Transfer(300, 3_800);
    expect(transfer.run(3_900, 2)).toBe(Infinity);
    const { leader } = transfer;
    for (let tries = 0; tries < 3; tries++) {
      leader.hear("c", { kind: "heartbeat-reply", term: 2, round: 0 });
      const took_ms = transfer.run(3_900, 2);
      if (took_ms < Infinity) return;
    }
    expect.unreachable("it never gets it");
  });

  test("is believed to have nothing that the leader has not", () => {
    const transfer = new Transfer(8);
    transfer.run(20, 2);
    const { leader } = transfer;
    const { commit, last } = leader.raft.log;
    const position = { index: last.index + 100, term: 2 };
    const all = {
      kind: "snapshot-reply",
      term: 2,
      transfer: 1,
      position,
      state: "installed",
      wanted: 0,
    } as const;
    leader.hear("c", all);
    expect(leader.raft.log.commit).toBe(commit);
    expect(leader.raft.status(leader.now).peers.find(({ id }) => id === idOf("c"))?.match).toBe(0);
  });

  test("is sent nothing for what is said of another transfer", () => {
    const transfer = new Transfer(8);
    transfer.run(4, Infinity, false);
    const { leader } = transfer;
    const [sent, position] = [transfer.sent.length, { index: leader.raft.log.commit, term: 2 }];
    expect(sent).toBe(window);
    const opened = leader.effects.flatMap((effect) =>
      effect.kind === "snapshot-open" ? [effect.transfer] : [],
    );
    const other = (opened.at(-1) ?? 0) + 1;
    const reply = { kind: "snapshot-reply", term: 2, position, wanted: window } as const;
    leader.hear("c", { ...reply, transfer: other, state: "receiving" });
    leader.hear("c", { ...reply, transfer: other, state: "refused" });
    leader.give(
      { kind: "snapshot-opened", transfer: other, position: { index: 1, term: 1 } },
      { kind: "snapshot-chunk", transfer: other, chunk: 0, bytes: command, final: true },
      { kind: "snapshot-failed", transfer: other, reason: "the disk" },
    );
    expect(transfer.closed).toBe(false);
    expect(leader.sent.filter(({ message }) => message.kind === "snapshot")).toEqual([]);
    // Its own goes on.
    expect(transfer.run(20_000, Infinity)).toBeLessThan(20_000);
  });

  test("loses its turn where it falls silent, though it had rested long before", () => {
    const transfer = new Transfer(100);
    transfer.run(1_500, 2);
    const before = transfer.sent.length;
    transfer.run(5_000, 2, false);
    expect(transfer.closed).toBe(true);
    // What it had not answered was tried again meanwhile.
    expect(transfer.sent.length).toBeGreaterThan(before + window);
  });
});
