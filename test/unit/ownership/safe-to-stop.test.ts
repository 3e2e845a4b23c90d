import { describe, expect, it } from "vitest";
import type { NodeId } from "../../../src/base/ids.ts";
import { canSpareVote, safeToStop, successorOf } from "../../../src/ownership/safe-to-stop.ts";
import { PilotWorld } from "../../support/pilot-world.ts";

const id = (name: string): NodeId => name as NodeId;

function cluster(count: number): PilotWorld {
  const world = new PilotWorld();
  for (let i = 2; i <= count; i++) world.join(`n${i}`);
  world.settle();
  return world;
}

describe("a vote is given away", () => {
  it("while a majority of those that remain is well", () => {
    const world = cluster(5);
    expect(canSpareVote(id("n5"), world.view())).toMatchObject({ safe: true });
    world.set("n4", "failed");
    expect(canSpareVote(id("n5"), world.view())).toMatchObject({
      safe: true,
      why: "3 of the 4 voters that would be left are well",
    });
    world.set("n3", "failed");
    expect(canSpareVote(id("n5"), world.view())).toMatchObject({ safe: false, final: false });
  });

  it("not in the middle of another change, for which one can wait", () => {
    expect(canSpareVote(id("n2"), cluster(3).view(true))).toMatchObject({ safe: false, final: false });
  });

  it("never by the only voter, nor beside a witness: waiting does not help", () => {
    expect(canSpareVote(id("n1"), cluster(1).view())).toMatchObject({ safe: false, final: true });
    const world = new PilotWorld();
    world.join("n2");
    world.join("w", { role: "witness" });
    world.settle();
    expect(world.is("witness")).toEqual(["w"]);
    expect(canSpareVote(id("n2"), world.view())).toMatchObject({ safe: false, final: true });
  });
});

describe("a voter is stopped, and keeps its vote", () => {
  it("only where those that go on are a majority of all: neither of two", () => {
    const world = cluster(3);
    world.members.delete("n3");
    expect(world.is("voter")).toEqual(["n1", "n2"]);
    for (const node of ["n1", "n2"])
      expect(safeToStop(id(node), world.view())).toEqual({
        safe: false,
        why: "the only other voter is well, 2 are needed",
      });
  });
});

describe("why a voter may be stopped, or not", () => {
  it("counts the others, and names one as the only one", () => {
    const world = cluster(3);
    expect(safeToStop(id("n3"), world.view()).why).toBe("2 of the other 2 voters are well, 2 are needed");
    world.set("n2", "failed");
    expect(safeToStop(id("n3"), world.view()).why).toBe("1 of the other 2 voters is well, 2 are needed");
    world.members.delete("n3");
    expect(safeToStop(id("n1"), world.view()).why).toBe("the only other voter is not well, 2 are needed");
    expect(safeToStop(id("n1"), cluster(1).view()).why).toBe("no other node votes, 1 is needed");
  });
});

describe("the only voter's successor", () => {
  it("is a learner that is alive and has everything", () => {
    const world = cluster(2);
    expect(successorOf(world.view())).toBe("n2");
    world.set("n2", "failed");
    expect(successorOf(world.view())).toBeUndefined();
  });

  it("is nobody that must not vote, and nobody where others vote", () => {
    const world = new PilotWorld();
    world.join("n2", { role: "learner" });
    world.settle();
    expect(world.is("learner")).toEqual(["n2"]);
    expect(successorOf(world.view())).toBeUndefined();
    expect(successorOf(cluster(4).view())).toBeUndefined();
  });
});
