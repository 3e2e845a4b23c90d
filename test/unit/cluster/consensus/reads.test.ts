/** Linearizable reads whose core is played by hand: attempts count from 1 in the order in which they are asked. */
import { describe, expect, test } from "vitest";
import { Reads } from "../../../../src/cluster/consensus/reads.ts";
import type { ConsensusAnswer } from "../../../../src/cluster/consensus/requests.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";

const query = new Uint8Array([1]);

class World {
  readonly clock = new VirtualClock();
  readonly asked: number[] = [];
  readonly answers: ConsensusAnswer[] = [];
  leader = true;
  readonly reads = new Reads({
    clock: this.clock,
    hasLeader: () => this.leader,
    ask: (attempt) => void this.asked.push(attempt),
    answer: (answer) => void this.answers.push(answer),
    query: (bytes) => ({ bytes, appliedIndex: 7 }),
  });

  get told(): string[] {
    return this.answers.map((answer) =>
      answer.kind === "failed" ? `${answer.request} ${answer.code}` : `${answer.kind}`,
    );
  }
}

describe("a node that is cut off", () => {
  test("ends all reads at once, asked of the core or not; late confirmations say nothing more", () => {
    const world = new World();
    world.reads.add(1, query, 60_000);
    world.leader = false;
    world.reads.add(2, query, 60_000);
    world.reads.giveUp();
    expect(world.told).toEqual(["1 no_quorum", "2 no_quorum"]);
    world.reads.result(1, { kind: "ready", index: 7 });
    world.leader = true;
    world.reads.retry();
    world.clock.advance(61_000);
    expect([world.told.length, world.asked]).toEqual([2, [1]]);
  });

  test("answers those that come later as ever", () => {
    const world = new World();
    world.reads.giveUp();
    world.reads.add(1, query, 1_000);
    world.reads.result(1, { kind: "ready", index: 7 });
    expect(world.answers).toEqual([{ kind: "read", request: 1, bytes: query, appliedIndex: 7 }]);
  });
});

describe("a read", () => {
  test("that the core refuses is asked again once there is a leader, and ends in its time without one", () => {
    const world = new World();
    world.reads.add(1, query, 1_000);
    world.reads.add(2, query, 2_000);
    world.leader = false;
    for (const attempt of [1, 2]) world.reads.result(attempt, { kind: "refused", reason: "leader-changed" });
    world.clock.advance(1_500);
    expect(world.told).toEqual(["1 no_quorum"]);
    world.leader = true;
    world.reads.retry();
    expect(world.asked).toEqual([1, 2, 3]);
    world.reads.result(3, { kind: "ready", index: 7 });
    expect(world.told).toEqual(["1 no_quorum", "read"]);
  });

  test("ends where this node takes no part any more, and is refused where too many wait", () => {
    const world = new World();
    world.reads.add(1, query, 1_000);
    world.reads.result(1, { kind: "refused", reason: "stopped" });
    expect(world.told).toEqual(["1 unavailable"]);
    for (let request = 2; request < 2 + 16_384; request++) world.reads.add(request, query, 1_000);
    world.reads.add(99_999, query, 1_000);
    expect(world.told.at(-1)).toBe("99999 too_many_requests");
    expect(world.told).toHaveLength(2);
  });
});
