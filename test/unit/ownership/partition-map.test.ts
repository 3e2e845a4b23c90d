import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { type NodeSight, partitionMap } from "../../../src/ownership/partition-map.ts";

const ids = ["n1", "n2", "n3"] as NodeId[];
const node = (id: string) => id as NodeId;
const sight = (minority: boolean, leader: string | null, ...unreached: string[]): NodeSight => ({
  minority,
  leader: leader as NodeId | null,
  unreached: unreached.map(node),
});

/** As `self` puts it together; `silent` did not answer it itself. */
function mapOf(
  self: string,
  own: NodeSight,
  others: Readonly<Record<string, NodeSight | null>>,
  failed: readonly string[] = [],
  silent = Object.keys(others).filter((id) => others[id] === null),
) {
  return partitionMap({
    self: node(self),
    own,
    alive: ids.filter((id) => !failed.includes(id)),
    failed: failed.map(node),
    voters: ids,
    others: new Map(Object.entries(others).map(([id, each]) => [node(id), each])),
    silent: new Set(silent.map(node)),
  });
}

const whole = [{ nodes: ids, side: "majority" }];
const secondCut = [
  { nodes: ["n1", "n3"], side: "majority" },
  { nodes: ["n2"], side: "minority" },
];

describe("the leader n1 does not hear n2, and n3 reaches both", () => {
  const third = sight(false, "n1");

  const second = sight(true, null, "n1");
  const both = [
    { from: "n1", to: "n2" },
    { from: "n2", to: "n1" },
  ];

  test("at the leader, whom n2 does not answer", () => {
    const { groups, blind, unasked } = mapOf("n1", sight(false, "n1", "n2"), { n2: null, n3: third });
    expect(groups).toEqual(secondCut);
    expect([blind, unasked]).toEqual([[{ from: "n1", to: "n2" }], ["n2"]]);
    // Its stream to it was lost a moment ago.
    expect(mapOf("n1", sight(false, "n1"), { n2: null, n3: third })).toEqual({ groups, blind, unasked });
  });

  test("at the leader, and at n2, when n3 passes on what the other said: each knows both halves", () => {
    for (const own of [sight(false, "n1", "n2"), sight(false, "n1")]) {
      const told = mapOf("n1", own, { n2: second, n3: third }, [], ["n2"]);
      expect(told).toEqual({ groups: secondCut, blind: both, unasked: [] });
    }
    const first = sight(false, "n1", "n2");
    const told = mapOf("n2", second, { n1: first, n3: third }, [], ["n1"]);
    expect([told.groups, told.unasked]).toEqual([secondCut, []]);
    expect(told.blind.toSorted((a, b) => (a.from < b.from ? -1 : 1))).toEqual(both);
    // Or holds the leader to be gone.
    const gone = mapOf("n2", second, { n1: first, n3: third }, ["n1"], []);
    expect([gone.groups, gone.blind.length, gone.unasked]).toEqual([secondCut, 2, []]);
  });

  test("at n3, whom both answer", () => {
    const others = { n1: sight(false, "n1", "n2"), n2: second };
    const { groups, blind } = mapOf("n3", third, others);
    expect(groups).toEqual(secondCut);
    expect(blind).toEqual(both);
  });

  test("at n2, which is alone in its minority, though it knows that the others live", () => {
    const others = { n1: null, n3: third };
    expect(mapOf("n2", sight(true, null, "n1"), others).groups).toEqual(secondCut);
    // Or holds the leader to be gone.
    const gone = mapOf("n2", sight(true, null, "n1"), { n3: third }, ["n1"]);
    expect(gone.groups).toEqual(secondCut);
    expect([gone.blind, gone.unasked]).toEqual([[{ from: "n2", to: "n1" }], ["n1"]]);
  });
});

describe("n1 and n2 lost each other, and n3, which leads, reaches both", () => {
  test("all are on one side, and each of them names the cut", () => {
    const first = sight(false, "n3", "n2");
    const second = sight(false, "n3", "n1");
    const third = sight(false, "n3");
    const both = [
      { from: "n1", to: "n2" },
      { from: "n2", to: "n1" },
    ];
    const asked = { groups: whole, blind: both, unasked: [] };
    expect(mapOf("n3", third, { n1: first, n2: second })).toEqual(asked);
    expect(mapOf("n1", first, { n2: second, n3: third }, [], ["n2"])).toEqual(asked);
    const half = mapOf("n2", second, { n1: null, n3: third });
    expect(half).toEqual({ groups: whole, blind: both.slice(1), unasked: ["n1"] });
  });
});

describe("a node that nobody hears", () => {
  test("is in a minority for a majority; for a minority it may be the majority, or anything", () => {
    expect(mapOf("n1", sight(false, "n1", "n2"), { n3: sight(false, "n1", "n2") }, ["n2"]).groups).toEqual(
      secondCut,
    );
    expect(mapOf("n2", sight(true, null, "n1", "n3"), {}, ["n1", "n3"])).toEqual({
      groups: [
        { nodes: ["n1", "n3"], side: "majority" },
        { nodes: ["n2"], side: "minority" },
      ],
      blind: [],
      unasked: ["n1", "n3"],
    });
    const two = mapOf("n2", sight(true, null, "n1"), { n3: sight(true, null, "n1") }, ["n1"]);
    expect(two.groups).toEqual([
      { nodes: ["n2", "n3"], side: "minority" },
      { nodes: ["n1"], side: "unknown" },
    ]);
  });
});

test("a whole cluster is whole; one without a leader is no partition of anybody", () => {
  const well = sight(false, "n1");
  expect(mapOf("n2", well, { n1: well, n3: well })).toEqual({ groups: whole, blind: [], unasked: [] });
  const lost = sight(true, null);
  expect(mapOf("n2", lost, { n1: lost, n3: null })).toEqual({
    groups: [{ nodes: ids, side: "minority" }],
    blind: [{ from: "n2", to: "n3" }],
    unasked: ["n3"],
  });
});
