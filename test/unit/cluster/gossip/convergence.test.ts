import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { Convergence } from "../../../../src/cluster/gossip/convergence.ts";
import { RecentSamples } from "../../../../src/cluster/gossip/statistics.ts";

const [b, c, d] = ["b", "c", "d"] as [NodeId, NodeId, NodeId];

function measured() {
  const samples = new RecentSamples(100);
  return { samples, convergence: new Convergence(samples) };
}

test("news is everywhere when the last of those who were alive has it", () => {
  const { samples, convergence } = measured();
  convergence.told(5, [b, c], 100);
  convergence.acknowledged(b, 5, 150);
  convergence.acknowledged(b, 6, 160);
  convergence.acknowledged(c, 4, 170);
  expect(samples.values()).toEqual([]);
  convergence.acknowledged(c, 7, 180);
  expect(samples.values()).toEqual([80]);
});

test("who goes meanwhile is left out, and does not stretch the time until it was noticed", () => {
  const { samples, convergence } = measured();
  convergence.told(5, [b, c], 100);
  convergence.acknowledged(b, 5, 150);
  convergence.lost(c);
  convergence.acknowledged(c, 5, 30_000);
  expect(samples.values()).toEqual([50]);
});

test("news that nobody was there to hear, or all of them went, has no time", () => {
  const { samples, convergence } = measured();
  convergence.told(1, [], 0);
  convergence.told(2, [b], 0);
  convergence.lost(b);
  convergence.acknowledged(b, 2, 30_000);
  expect(samples.values()).toEqual([]);
});

test("who joins later is not waited for, and what is under way is bounded", () => {
  const { samples, convergence } = measured();
  for (let sequence = 1; sequence <= 100; sequence++) convergence.told(sequence, [b], sequence);
  convergence.acknowledged(d, 100, 150);
  convergence.acknowledged(b, 100, 200);
  expect(samples.values()).toHaveLength(64);
  expect(samples.values()[0]).toBe(200 - 37);
});
