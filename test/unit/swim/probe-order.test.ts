import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { Members } from "../../../src/swim/members.ts";
import { ProbeOrder } from "../../../src/swim/probe-order.ts";
import { addressOf, benchTags } from "../../support/swim-bench.ts";

const self = "n0" as NodeId;
const others = 9;

function cluster(seed: number): { members: Members; order: ProbeOrder; join: (name: string) => void } {
  const members = new Members();
  const order = new ProbeOrder(self, new Prng(seed));
  const add = (name: string): NodeId => {
    const row = { address: addressOf(name), incarnation: { boot: 1, counter: 0 }, tags: benchTags };
    return members.insert({ id: name as NodeId, ...row, status: "alive" }, 0).id;
  };
  for (let i = 0; i <= others; i++) add(`n${i}`);
  return { members, order, join: (name) => order.insert(add(name)) };
}

function probed({ members, order }: ReturnType<typeof cluster>, times: number): string[] {
  return Array.from({ length: times }, () => String(order.next(members)?.id));
}

describe("the order of probes", () => {
  test("each round asks every other member once, never this node itself", () => {
    const world = cluster(1);
    for (let round = 0; round < 5; round++) expect(new Set(probed(world, others)).size).toBe(others);
    expect(probed(world, 50)).not.toContain(self);
  });

  test("rounds are shuffled anew, and differently at other nodes", () => {
    const [one, other] = [cluster(1), cluster(2)];
    const [first, second] = [probed(one, others), probed(one, others)];
    expect(second).not.toEqual(first);
    expect(probed(other, others)).not.toEqual(first);
  });

  test("no member waits longer than 2N − 1 periods", () => {
    const world = cluster(3);
    const last = new Map<string, number>();
    for (const [at, id] of probed(world, 2_000).entries()) {
      expect(at - (last.get(id) ?? at)).toBeLessThanOrEqual(2 * others - 1);
      last.set(id, at);
    }
  });

  test("a newcomer is asked in the present round, wherever in it", () => {
    const places = new Set<number>();
    for (let seed = 1; seed <= 30; seed++) {
      const world = cluster(seed);
      probed(world, 1);
      world.join("new");
      places.add(probed(world, others).indexOf("new"));
    }
    expect(places.has(-1)).toBe(false);
    expect(places.size).toBeGreaterThan(4);
  });

  test("who is hurried comes next, and once; the gone are passed over", () => {
    const world = cluster(4);
    const [first = "", second = ""] = probed(cluster(4), 2);
    const last = probed(cluster(4), others).at(-1) as NodeId;
    expect(probed(world, 1)).toEqual([first]);
    world.order.hurry(last);
    expect(probed(world, 2)).toEqual([last, second]);
    for (const member of [...world.members.all()]) world.members.setStatus(member, "failed", 1);
    expect(world.order.next(world.members)).toBeUndefined();
  });
});
