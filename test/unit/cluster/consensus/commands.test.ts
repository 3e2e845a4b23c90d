import { describe, expect, test } from "vitest";
import { CaxtonError } from "../../../../src/base/errors.ts";
import { Commands } from "../../../../src/cluster/consensus/commands.ts";
import type { ConsensusState } from "../../../../src/cluster/consensus/state.ts";
import type { LeaderStamp } from "../../../../src/control/replicated-state.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import type { RaftId } from "../../../../src/raft/configuration.ts";
import type { RaftMessage } from "../../../../src/raft/messages.ts";
import type { RaftStatus } from "../../../../src/raft/status.ts";

const command = new Uint8Array(4);

function world() {
  const clock = new VirtualClock();
  const stamps: LeaderStamp[] = [];
  const stamp: ConsensusState["stamp"] = (bytes, given) => {
    stamps.push(given);
    return bytes;
  };
  const core = { role: "follower" as RaftStatus["role"], underWay: 0 };
  const woken: (number | "now")[] = [];
  const commands = new Commands({
    clock,
    core: () => core,
    wake: () => void woken.push("now"),
    wakeAt: (due_ms) => void woken.push(due_ms),
    state: { stamp },
    reject: () => undefined,
    send: () => undefined,
  });
  const propose = (role: RaftStatus["role"], term: number): number | undefined => {
    stamps.length = 0;
    commands.add({ kind: "propose", id: 1, data: command });
    commands.take({ role, term });
    return stamps[0]?.elapsed_ms;
  };
  const pass = async (duration_ms: number): Promise<void> => {
    const end_ms = clock.now_ms() + duration_ms;
    clock.after(duration_ms, () => undefined);
    await clock.runUntilSettled(() => clock.now_ms() >= end_ms, duration_ms);
  };
  return { clock, core, woken, commands, propose, pass };
}

describe("a forwarded command that the leader's program does not know", () => {
  test("is refused in words, and in the way that an older node understands, and the others go on", () => {
    const sent: [RaftId, RaftMessage][] = [];
    const commands = new Commands({
      clock: new VirtualClock(),
      core: () => ({ role: "leader", underWay: 0 }),
      wake: () => undefined,
      wakeAt: () => undefined,
      state: {
        stamp: (bytes) => {
          if (bytes.length > 4)
            throw new CaxtonError("version_mismatch", "This program knows no such command");
          return bytes;
        },
      },
      reject: () => undefined,
      send: (to, message) => void sent.push([to, message]),
    });
    const [from, unknown] = ["node-2#1" as RaftId, new Uint8Array(5)];
    const message = {
      kind: "forward",
      term: 3,
      proposals: [
        { id: 1, data: unknown },
        { id: 2, data: command },
      ],
    } as const;
    commands.add({ kind: "forward", from, message });
    expect(commands.take({ role: "leader", term: 3 })).toEqual([
      { kind: "message", from, message: { ...message, proposals: [{ id: 2, data: command }] } },
    ]);
    const detail = "This program knows no such command";
    expect(sent).toEqual([
      [from, { kind: "forward-refused", term: 3, id: 1, code: "version_mismatch", detail }],
      [from, { kind: "forward-reply", term: 3, results: [{ id: 1, position: null }] }],
    ]);
  });
});

describe("the leaders' time in stamps", () => {
  test("counts from when this node began to lead, though nobody proposed anything for long", async () => {
    const { commands, propose, pass } = world();
    commands.status({ role: "leader", term: 3 });
    await pass(60_000);
    expect(propose("leader", 3)).toBe(60_000);
    await pass(1_000);
    commands.status({ role: "leader", term: 3 });
    expect(propose("leader", 3)).toBe(61_000);
  });

  test("begins anew with each term, and is nobody's who does not lead", async () => {
    const { commands, propose, pass } = world();
    commands.status({ role: "leader", term: 3 });
    await pass(5_000);
    commands.status({ role: "follower", term: 4 });
    expect(propose("follower", 4)).toBeUndefined();
    await pass(5_000);
    commands.status({ role: "leader", term: 5 });
    await pass(250);
    expect(propose("leader", 5)).toBe(250);
    expect(propose("leader", 6)).toBe(0);
  });
});

describe("commands where many come", () => {
  const propose = { kind: "propose", id: 1, data: command } as const;

  test("follow at once where few entries are on their way, and where somebody else leads", () => {
    const { core, woken, commands } = world();
    core.underWay = 1_000;
    commands.add(propose);
    expect(commands.isDue).toBe(true);
    core.role = "leader";
    core.underWay = 3;
    commands.add(propose);
    expect(woken).toEqual(["now", "now"]);
    expect(commands.take({ role: "leader", term: 1 })).toHaveLength(2);
    expect(commands.isDue).toBe(false);
  });

  test("gather until the entries before them are committed", () => {
    const { clock, core, woken, commands } = world();
    Object.assign(core, { role: "leader", underWay: 4 });
    commands.add(propose);
    commands.add(propose);
    expect(commands.isDue).toBe(false);
    expect(woken).toEqual([clock.now_ms() + 3, clock.now_ms() + 3]);
    core.underWay = 0;
    expect(commands.isDue).toBe(true);
  });

  test("gather for three milliseconds at most, counted from the first", async () => {
    const { core, commands, pass } = world();
    Object.assign(core, { role: "leader", underWay: 4 });
    commands.add(propose);
    await pass(2);
    commands.add(propose);
    expect(commands.isDue).toBe(false);
    await pass(1);
    expect(commands.isDue).toBe(true);
    commands.take({ role: "leader", term: 1 });
    commands.add(propose);
    expect(commands.isDue).toBe(false);
  });

  test("gather sixty-four at most", () => {
    const { core, woken, commands } = world();
    Object.assign(core, { role: "leader", underWay: 4 });
    for (let i = 0; i < 63; i++) commands.add(propose);
    expect(commands.isDue).toBe(false);
    commands.add(propose);
    expect(woken.at(-1)).toBe("now");
  });
});
