/** The budget of linear memory that the agents of a node share over its threads. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NodeMemory, ThreadMemory } from "../../../src/agents/memory-budget.ts";
import { page_bytes } from "../../../src/wasm/limits.ts";

function world(pages: number, threads: number) {
  const node = new NodeMemory(pages * page_bytes, threads);
  const shares = Array.from({ length: threads }, (_, thread) => new ThreadMemory(node.cell, thread));
  return { node, shares, used: () => node.used_bytes / page_bytes };
}

describe("a node's memory for agents", () => {
  test("is taken while it is used, and what was not used is everybody's again after the slice", () => {
    const { node, shares, used } = world(100, 1);
    const [thread] = shares as [ThreadMemory];
    expect([thread.take(10), thread.take(101)]).toEqual([true, false]);
    thread.use(10);
    expect(thread.allow(1_000)).toBe(90);
    thread.use(40);
    thread.sliceEnded();
    expect([used(), node.free_bytes / page_bytes]).toEqual([50, 50]);
    expect([thread.take(51), thread.take(50)]).toEqual([false, true]);
    thread.use(50);
    expect(thread.allow(1)).toBe(0);
    thread.use(-100);
    thread.sliceEnded();
    expect(used()).toBe(0);
  });

  test("one thread's wish leaves half of what is free to the others", () => {
    const { shares } = world(100, 2);
    const [first, second] = shares as [ThreadMemory, ThreadMemory];
    expect([first.allow(1_000), second.allow(1_000)]).toEqual([50, 25]);
    first.sliceEnded();
    expect(second.allow(1_000)).toBe(63);
  });

  test("what a thread had that ended by itself is free again", () => {
    const { node, shares, used } = world(100, 2);
    const [first, second] = shares as [ThreadMemory, ThreadMemory];
    for (const thread of [first, second]) {
      thread.take(30);
      thread.use(20);
    }
    first.sliceEnded();
    node.threadEnded(1);
    expect(used()).toBe(20);
  });

  test("is never exceeded, whatever the threads take, use and give back", () => {
    const step = fc.record({
      thread: fc.nat(2),
      kind: fc.constantFrom("take", "allow", "free", "slice"),
      pages: fc.nat(60),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { shares, used } = world(100, 3);
        const have = [0, 0, 0];
        for (const { thread, kind, pages } of steps) {
          const share = shares[thread] as ThreadMemory;
          const mine = have[thread] as number;
          if (kind === "slice") share.sliceEnded();
          let more = 0;
          if (kind === "take" && share.take(pages)) more = pages;
          if (kind === "allow") more = share.allow(pages);
          if (kind === "free") more = -Math.min(pages, mine);
          share.use(more);
          have[thread] = mine + more;
          expect(used()).toBeLessThanOrEqual(100);
          expect(used()).toBeGreaterThanOrEqual((have[0] ?? 0) + (have[1] ?? 0) + (have[2] ?? 0));
        }
        for (const share of shares) share.sliceEnded();
        expect(used()).toBe((have[0] ?? 0) + (have[1] ?? 0) + (have[2] ?? 0));
      }),
    );
  });
});
