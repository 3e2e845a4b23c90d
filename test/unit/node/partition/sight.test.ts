import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import type { PartitionView } from "../../../../src/cluster/partition-monitor.ts";
import { answerSights, askAround, askSights, sightOf } from "../../../../src/node/partition/sight.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { MemoryPeersNetwork } from "../../../support/memory-peers.ts";

const ids = ["n1", "n2", "n3"] as NodeId[];
const [one, two, three] = ids as [NodeId, NodeId, NodeId];

function viewOf(silent: readonly NodeId[]): PartitionView {
  const voters = { voters: ids, votersReached: 3, needed: 2 };
  const seen = { reached: ids, unreached: [], silent };
  return { state: "majority", since_ms: 0, ...seen, ...voters, leader: true, leaderNode: one };
}

/** Three nodes, of which n2 and n3 may have lost each other. */
class World {
  readonly clock = new VirtualClock();
  readonly network = new MemoryPeersNetwork(this.clock);
  readonly views = new Map(ids.map((id) => [id, viewOf([])]));
  readonly peers = new Map(ids.map((id) => [id, this.network.join(id)]));

  constructor() {
    for (const [id, peers] of this.peers) answerSights(peers, () => this.views.get(id) ?? viewOf([]));
  }

  cut(a: NodeId, b: NodeId): void {
    this.network.cut(a, b);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const before = this.views.get(from)?.silent ?? [];
      this.views.set(from, viewOf([...before, to]));
    }
  }

  /** What a node learns of the others, and whom it could not ask itself. */
  async learnt(self: NodeId, unreached: readonly NodeId[] = []) {
    const peers = this.peers.get(self);
    if (peers === undefined) throw new Error(`there is no ${self}`);
    const others = ids.filter((id) => id !== self && !unreached.includes(id));
    const answers = await this.passing(askSights(peers, others, () => null));
    const silent = [...answers].flatMap(([id, sight]) => (sight === null ? [id] : []));
    return { silent, sights: await this.passing(askAround(peers, answers, unreached)) };
  }

  async passing<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const end = work.finally(() => (over = true));
    while (!over) {
      this.clock.advance(10);
      for (let i = 0; i < 20; i++) await Promise.resolve();
    }
    return await end;
  }
}

test("who does not answer is asked by others that reach it; each of three learns the same", async () => {
  const world = new World();
  world.cut(two, three);
  const said = (id: NodeId) => sightOf(world.views.get(id) ?? viewOf([]));
  for (const [self, silent] of [
    [one, []],
    [two, [three]],
    [three, [two]],
  ] as const) {
    const learnt = await world.learnt(self);
    expect(learnt.silent).toEqual(silent);
    expect(learnt.sights).toEqual(new Map(ids.filter((id) => id !== self).map((id) => [id, said(id)])));
  }
  // Held to be gone, and so not asked itself.
  expect((await world.learnt(two, [three])).sights.get(three)).toEqual(said(three));
});

test("whom nobody reaches nobody asks; one that is said to be reached and does not answer is not known", async () => {
  const world = new World();
  world.cut(two, three);
  world.cut(one, three);
  const before = world.network.requests;
  expect((await world.learnt(two)).sights.get(three)).toBeNull();
  // The node itself, and the other: none more was asked around.
  expect(world.network.requests - before).toBe(2);
  world.views.set(one, viewOf([]));
  expect((await world.learnt(two)).sights.get(three)).toBeNull();
});

test("of very many that nobody could ask some are asked around, by three others each", async () => {
  const clock = new VirtualClock();
  const helpers = Array.from({ length: 5 }, (_, i) => `helper-${i}` as NodeId);
  const lost = Array.from({ length: 150 }, (_, i) => `lost-${i}` as NodeId);
  const network = new MemoryPeersNetwork(clock);
  const peers = network.join(one);
  const well = sightOf(viewOf([]));
  await askAround(peers, new Map(helpers.map((id) => [id, well])), lost);
  expect(network.requests).toBe(300);
});
