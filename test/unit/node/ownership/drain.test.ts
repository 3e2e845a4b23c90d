import { describe, expect, test } from "vitest";
import type { AssignmentTable } from "../../../../src/agents/assignment-table.ts";
import type { HandOver } from "../../../../src/agents/hand-over.ts";
import type { AgentName, NodeId } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { EventLog } from "../../../../src/node/events/event-log.ts";
import { drain } from "../../../../src/node/ownership/drain.ts";
import type { Candidate } from "../../../../src/placement/candidate.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { testSpec } from "../../../support/agent-specs.ts";

const self = "n1" as NodeId;
const names = Array.from({ length: 12 }, (_, n) => `a${String(n).padStart(2, "0")}` as AgentName);

function candidate(id: string, maxAgents: number): Candidate {
  const figures = { agents: 0, maxAgents, cpu_percent: 0, memory_percent: 0, weight: 100 };
  const place = { services: [], region: "", zone: "" };
  return { id: id as NodeId, status: "alive", healthy: true, ...figures, ...place };
}

/** A node with twelve agents, each of whose hand-overs takes as long as `move` says. */
function world(move: (agent: AgentName) => Promise<void>, places = 100) {
  const clock = new VirtualClock();
  const events = new EventLog(clock, 1);
  const moved: AgentName[] = [];
  let over = false;
  const waits = { count: 0, known: (): Promise<void> => Promise.resolve() };
  const options = {
    known: () => {
      waits.count++;
      return waits.known();
    },
    self,
    table: {
      of: () => new Set(names),
      get: (agent: AgentName) => ({ agent, spec: testSpec(agent) }),
    } as unknown as AssignmentTable,
    handOver: {
      move: async (agent: AgentName) => {
        await move(agent);
        moved.push(agent);
      },
    } as unknown as HandOver,
    candidates: () => [candidate("n1", 100), candidate("n2", places)],
    clock,
    traffic: () => new Map(),
    prng: new Prng(1),
    events,
    isOver: () => over,
  };
  const run = async (within_ms: number): Promise<number | undefined> => {
    let stayed: number | undefined;
    void drain(options, within_ms).then((drained) => ({ stayed } = drained));
    await clock.runUntilSettled(() => stayed !== undefined, 600_000);
    return stayed;
  };
  return {
    run,
    clock,
    moved,
    waits,
    told: () => events.since(0, 100).map(({ text }) => text),
    end: () => (over = true),
  };
}

describe("a drain", () => {
  test("a node that does not know yet whose its agents are waits for that once, and no longer than it has", async () => {
    const { run, moved, told, waits, clock } = world(() => Promise.reject(new Error("must not be asked")));
    waits.known = () =>
      new Promise(
        (_, reject) => void clock.after(10_000, () => reject(new Error("nobody says whose they are"))),
      );
    expect(await run(60_000)).toBe(names.length);
    expect([waits.count, moved, clock.now_ms()]).toEqual([1, [], 10_000]);
    expect(told()).toEqual(["Handed over 0 of 12 agents: nobody says whose they are"]);
    expect(await run(1_000)).toBe(names.length);
    expect(clock.now_ms()).toBe(11_000);
  });

  test("hands everything over that finds room, and tells what stays", async () => {
    const { run, moved, told } = world(() => Promise.resolve(), 9);
    expect(await run(1_000)).toBe(3);
    expect(moved).toHaveLength(9);
    expect(told()).toEqual(["Handing over 9 agents of n1", "Handed over 9 of 12 agents"]);
  });

  test("goes on when one cannot be handed over", async () => {
    const { run, moved, told } = world((agent) =>
      agent === names[4] ? Promise.reject(new Error("it is too large")) : Promise.resolve(),
    );
    expect(await run(1_000)).toBe(1);
    expect(moved).not.toContain(names[4]);
    expect(told()).toContain("Agent 'a04' could not be handed over to n2: it is too large");
  });

  test("ends in time, whatever a hand-over waits for, and begins none after it", async () => {
    const gate = Promise.withResolvers<void>();
    const { run, clock, moved } = world((agent) => (agent === names[11] ? Promise.resolve() : gate.promise));
    const began: number = clock.now_ms();
    expect(await run(5_000)).toBe(11);
    expect(clock.now_ms() - began).toBe(5_000);
    gate.resolve();
    for (let i = 0; i < 100; i++) await Promise.resolve();
    expect(moved.length).toBeLessThanOrEqual(9);
  });

  test("stops when it is not wanted any more", async () => {
    const { run, moved, end } = world(() => {
      end();
      return Promise.resolve();
    });
    expect(await run(5_000)).toBe(11);
    expect(moved).toHaveLength(1);
  });
});
