import { describe, expect, test } from "vitest";
import type { AgentName, ModuleHash, NodeId } from "../../../src/base/ids.ts";
import { claimsLimit, earlyLimit, OwnerClaims } from "../../../src/ownership/owner-claims.ts";

const owner = "node-a" as NodeId;
const module = "ab".repeat(32) as ModuleHash;
const agent = (number: number): AgentName => `agent-${number}` as AgentName;
const claim = { epoch: 1, revision: 1, status: "running", module } as const;
const change = (sequence: number, number = sequence) => ({ agent: agent(number), sequence, claim });
const claims = (): OwnerClaims => new OwnerClaims(owner, 1, () => {});

describe("a copy of what one owner says", () => {
  test("takes so many changes ahead of a gap, and no more until it is closed", () => {
    const copy = claims();
    for (let i = 0; i < earlyLimit; i++) expect(copy.take(change(2 + i))).toBe(true);
    expect(copy.take(change(earlyLimit + 2))).toBe(false);
    expect(copy.take(change(1))).toBe(true);
    expect(copy.head.complete).toBe(earlyLimit + 1);
    expect(copy.take(change(earlyLimit + 2))).toBe(true);
  });

  test("holds so many agents, and still takes what is new of those", () => {
    const copy = claims();
    for (let i = 1; i <= claimsLimit; i++) copy.take(change(i));
    expect(copy.take(change(claimsLimit + 1))).toBe(false);
    expect(copy.size).toBe(claimsLimit);
    expect(copy.take(change(claimsLimit + 1, 7))).toBe(true);
    expect(copy.take({ agent: agent(7), sequence: claimsLimit + 2, claim: null })).toBe(true);
    expect(copy.take(change(claimsLimit + 3))).toBe(true);
  });

  test("made of a full list knows no removals before it, so it gives full lists itself to who is behind", () => {
    const copy = claims();
    const changes = [change(3), change(9)];
    copy.takeChunk({ owner, boot: 1, from: 0, to: 10, full: true, changes });
    expect(copy.chunksSince(5, 10)).toMatchObject([{ from: 0, to: 10, full: true, changes }]);
    expect(copy.chunksSince(10, 10)).toEqual([]);
  });
});
