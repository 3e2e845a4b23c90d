import { expect, it } from "vitest";
import { NodeHealth } from "../../../functions/edge/node-health.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";

const nodes = ["http://a", "http://b", "http://c"];

/** Nodes that answer at once as they are set, or hang until they are let go. */
function world(state: Record<string, boolean | "hangs">) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const hanging: (() => void)[] = [];
  const health = new NodeHealth(clock, (node) => {
    asked.push(node);
    const ready = state[node];
    if (ready !== "hangs") return Promise.resolve(ready === true);
    return new Promise((resolve) => hanging.push(() => resolve(false)));
  });
  return { clock, asked, health, state, letGo: () => hanging.splice(0).forEach((end) => end()) };
}

it("nodes that hang hold nobody up", async () => {
  const { health } = world({ "http://a": "hangs", "http://b": true, "http://c": "hangs" });
  for (let i = 0; i < 3; i++) expect(await health.choose(nodes)).toBe("http://b");
});

it("uses ready nodes in turn, and asks again when the answer is old", async () => {
  const { health, asked, clock } = world({ "http://a": true, "http://b": true, "http://c": true });
  await health.choose(nodes);
  const chosen = [await health.choose(nodes), await health.choose(nodes), await health.choose(nodes)];
  expect(chosen.toSorted()).toEqual(nodes);
  expect(asked.toSorted()).toEqual(nodes);
  clock.advance(5_000);
  await health.choose(nodes);
  expect(asked).toHaveLength(6);
});

it("leaves one that is not ready alone for longer than one that was", async () => {
  const { health, asked, clock } = world({ "http://a": true, "http://b": false, "http://c": "hangs" });
  await health.choose(nodes);
  clock.advance(6_000);
  asked.length = 0;
  await health.choose(nodes);
  expect(asked).not.toContain("http://b");
  clock.advance(10_000);
  await health.choose(nodes);
  expect(asked).toContain("http://b");
});

it("after a failure takes another that is ready, else the same again", async () => {
  const { health, state } = world({ "http://a": true, "http://b": true, "http://c": false });
  health.failed("http://a");
  expect(await health.another("http://a", nodes)).toBe("http://b");
  state["http://b"] = false;
  health.failed("http://b");
  health.failed("http://a");
  expect(await health.another("http://a", nodes)).toBe("http://a");
});

it("asks a node that failed before it is used again", async () => {
  const { health, state } = world({ "http://a": true, "http://b": true, "http://c": true });
  await health.choose(nodes);
  state["http://a"] = false;
  health.failed("http://a");
  for (let i = 0; i < 6; i++) expect(await health.choose(nodes)).not.toBe("http://a");
});

it("when none is ready, any is tried as the last resort", async () => {
  const { health } = world({});
  expect(nodes).toContain(await health.choose(nodes));
  expect(await health.another("http://c", ["http://c"])).toBe("http://c");
});
