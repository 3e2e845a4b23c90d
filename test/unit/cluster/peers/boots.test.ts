import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { PeerBoots } from "../../../../src/cluster/peers/boots.ts";

const node = (name: string): NodeId => name as NodeId;
const day_ms = 24 * 3_600_000;
const now_ms = Date.UTC(2026, 0, 1);

function boots(wall_ms = now_ms): { heard: PeerBoots; restarted: string[] } {
  const restarted: string[] = [];
  return { heard: new PeerBoots({ wall_ms: () => wall_ms }, (id) => restarted.push(id)), restarted };
}

test("a later life of a known node is a restart; the same is none, and an earlier one is refused", () => {
  const { heard, restarted } = boots();
  expect(heard.refusal(node("a"), 5)).toBeNull();
  expect(heard.refusal(node("a"), 5)).toBeNull();
  expect(restarted).toEqual([]);
  expect(heard.refusal(node("a"), 6)).toBeNull();
  expect(restarted).toEqual(["a"]);
  expect(heard.refusal(node("a"), 5)).toBe('a later start of "a" than 5 is known');
  expect(restarted).toEqual(["a"]);
});

test("a life of more than a day ahead is refused and not remembered, unless this machine's clock is not set", () => {
  const { heard, restarted } = boots();
  expect(heard.refusal(node("a"), now_ms + day_ms + 1)).toContain("is in the future: set its clock");
  expect(heard.refusal(node("a"), now_ms + day_ms)).toBeNull();
  expect(restarted).toEqual([]);
  expect(boots(1_000).heard.refusal(node("a"), now_ms)).toBeNull();
});

test("what is remembered is bounded: who was heard of in a new life longest ago is forgotten first", () => {
  const { heard } = boots();
  for (let i = 0; i < 16_384; i++) heard.refusal(node(`n${i}`), 5);
  heard.refusal(node("n0"), 6);
  heard.refusal(node("more"), 5);
  expect(heard.refusal(node("n0"), 5)).not.toBeNull();
  expect(heard.refusal(node("n2"), 4)).not.toBeNull();
  expect(heard.refusal(node("n1"), 4)).toBeNull();
});
