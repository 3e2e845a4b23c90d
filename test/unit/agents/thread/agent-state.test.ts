/** The state of an agent in memory: its size, and keys longer than any that it can have. */
import { describe, expect, test } from "vitest";
import { AgentState } from "../../../../src/agents/thread/agent-state.ts";

const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

describe("an agent's state", () => {
  test("counts keys and values as they are, through writes, deletions and what is undone", () => {
    const state = new AgentState();
    expect([state.set(bytes(3, 1), bytes(10, 0)), state.set(bytes(4, 2), bytes(20, 0))]).toEqual([
      true,
      true,
    ]);
    expect(state.set(bytes(3, 1), bytes(5, 0))).toBe(true);
    expect(state.bytes).toBe(3 + 5 + 4 + 20);
    state.commit(false);
    state.set(bytes(3, 1), bytes(50, 0));
    state.delete(bytes(4, 2));
    state.set(bytes(1, 9), bytes(1, 0));
    expect(state.bytes).toBe(3 + 50 + 1 + 1);
    state.undo();
    expect(state.bytes).toBe(3 + 5 + 4 + 20);
  });

  test("has nothing at a key of more than 512 bytes, and finds what comes after one", () => {
    const state = new AgentState();
    state.set(bytes(512, 7), bytes(1, 0));
    state.set(bytes(2, 8), bytes(1, 0));
    expect(state.set(bytes(513, 7), bytes(1, 0))).toBe(false);
    expect([state.get(bytes(513, 7)), state.delete(bytes(513, 7))]).toEqual([undefined, true]);
    expect(state.next(bytes(511, 7))).toEqual(bytes(512, 7));
    expect(state.next(bytes(100_000, 7))).toEqual(bytes(2, 8));
    expect(state.next(bytes(100_000, 8))).toBeUndefined();
  });
});
