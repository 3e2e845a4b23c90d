/** Every way an agent can misuse its thread ends in a trap of the right kind, and hurts nobody else. */
import { describe, expect, test } from "vitest";
import { AgentInstance, shapeOf, type MemoryGrant } from "../../../src/wasm/instance.ts";
import { prepareModule } from "../../../src/wasm/prepare.ts";
import {
  RecordingHost,
  allGranted,
  instantiate,
  mebibyte,
  startAgent,
  trapOf,
} from "../../support/wasm-agents.ts";
import { agentBuilder, code, t } from "../../support/wasm-builder.ts";
import type { WasmBuilder } from "../../support/wasm-builder.ts";

const message = new Uint8Array([1, 2, 3, 4]);
const handleIndex = 1;
const grow = (pages: number): number[] => [...code.i32(pages), 0x40, 0];
const fill = [...code.i32(0), ...code.i32(7), ...code.i32(60 * mebibyte), 0xfc, 0x0b, 0];
const drop = [0x1a];

/** Counts its messages in memory and logs the count. */
function neighbour(): { agent: AgentInstance; host: RecordingHost } {
  const host = new RecordingHost();
  const count = [
    ...code.i32(8),
    ...code.i32(8),
    ...code.access(0x2d),
    ...code.i32(1),
    0x6a,
    ...code.access(0x3a),
  ];
  const log = [...code.i32(1), ...code.i32(8), ...code.i32(1), ...code.call(0)];
  const before = (b: WasmBuilder): number => b.importFunction("caxton", "log", [t.i32, t.i32, t.i32], []);
  const builder = agentBuilder([...count, ...log], { before: (b) => void before(b) });
  return { agent: startAgent(builder.build(), { host }), host };
}

const mutual = (b: WasmBuilder): void => {
  b.function({ params: [t.i32], code: [...code.get(0), ...code.call(1)] });
  b.function({ params: [t.i32], code: [...code.get(0), ...code.call(0)] });
};
const tails = (b: WasmBuilder): void => {
  b.function({ params: [t.i32], code: [...code.get(0), ...code.returnCall(1)] });
  b.function({ params: [t.i32], code: [...code.get(0), ...code.returnCall(0)] });
};

const misdeeds = {
  "an endless loop": ["fuel", agentBuilder(code.loop(code.br(0)))],
  "an endless loop of empty blocks": [
    "fuel",
    agentBuilder(code.loop([...code.block([]), ...code.block([]), ...code.br(0)])),
  ],
  "endless calls of the host": [
    "fuel",
    agentBuilder(code.loop([...code.call(0), ...drop, ...code.br(0)]), {
      before: (b) => void b.importFunction("caxton", "random", [], [t.i64]),
    }),
  ],
  "endless recursion": [
    "call_depth",
    agentBuilder([...code.get(0), ...code.get(1), ...code.call(handleIndex)]),
  ],
  "mutual recursion": ["call_depth", agentBuilder([...code.get(0), ...code.call(0)], { before: mutual })],
  "endless tail calls": ["fuel", agentBuilder([...code.get(0), ...code.call(0)], { before: tails })],
  "memory that grows for ever": ["memory", agentBuilder(code.loop([...grow(1), ...drop, ...code.br(0)]))],
  "memory that grows until it is refused": [
    "memory",
    agentBuilder([...code.loop([...grow(16), ...code.i32(-1), 0x47, ...code.brIf(0)]), 0x00]),
  ],
  "huge fills": ["fuel", agentBuilder(code.loop([...fill, ...code.br(0)]), { pages: 1_000 })],
  "huge copies": [
    "fuel",
    agentBuilder(code.loop([...fill.slice(0, -3), 0xfc, 0x0a, 0, 0, ...code.br(0)]), { pages: 1_000 }),
  ],
  "giving up": ["unreachable", agentBuilder([0x00])],
  "an address outside of memory": [
    "out_of_bounds",
    agentBuilder([...code.i32(-4), ...code.access(0x28), ...drop]),
  ],
  "a fill outside of memory": [
    "out_of_bounds",
    agentBuilder([...code.i32(65_000), ...code.i32(0), ...code.i32(1_000), 0xfc, 0x0b, 0]),
  ],
  "division by zero": ["arithmetic", agentBuilder([...code.i32(1), ...code.i32(0), 0x6d, ...drop])],
  "a remainder by zero": ["arithmetic", agentBuilder([...code.i64(1n), ...code.i64(0n), 0x82, ...drop])],
  "a quotient too large": [
    "arithmetic",
    agentBuilder([...code.i32(-(2 ** 31)), ...code.i32(-1), 0x6d, ...drop]),
  ],
  "a float that is no integer": ["arithmetic", agentBuilder([...code.f64(Number.NaN), 0xaa, ...drop])],
  "a call through an empty table entry": [
    "indirect_call",
    agentBuilder([...code.i32(0), ...code.callIndirect(0)], { before: (b) => [b.type([], []), b.table(1)] }),
  ],
  "a call beyond the table": [
    "indirect_call",
    agentBuilder([...code.i32(9), ...code.callIndirect(0)], { before: (b) => [b.type([], []), b.table(1)] }),
  ],
  "an indirect call with another type": [
    "indirect_call",
    agentBuilder([...code.i32(0), ...code.callIndirect(0)], {
      before: (b) => [b.type([], []), b.table(1), b.element(0, [1])],
    }),
  ],
} as const satisfies Record<string, readonly [string, WasmBuilder]>;

describe.each(Object.entries(misdeeds))("%s", (_, [kind, builder]) => {
  test(`ends in a trap of kind ${kind} and leaves the neighbour as it was`, () => {
    const { agent, host } = neighbour();
    agent.handle(message);
    const culprit = startAgent(builder.build());
    const trap = trapOf(() => culprit.handle(message));
    expect(trap.kind).toBe(kind);
    expect(trap.detail).not.toBe("");
    expect(trap.detail).not.toContain("evaluating");
    expect(culprit.trapped).toBe(true);
    if (kind === "fuel") expect(culprit.fuelUsed).toBe(50_000_000);
    expect(() => culprit.handle(message)).toThrow("not used again");
    agent.handle(message);
    expect(host.logs).toEqual(["1 \u0001", "1 \u0002"]);
    expect(startAgent(agentBuilder([]).build()).trapped).toBe(false);
  });
});

describe("limits", () => {
  const countdown = (b: WasmBuilder): void => {
    const again = [...code.get(0), ...code.i32(1), 0x6b, ...code.call(0)];
    b.function({ params: [t.i32], code: [...code.get(0), ...code.if(again)] });
  };

  test.each([
    [100, "passes"],
    [101, "traps"],
  ])("with call depth 102, %i nested calls below the handler: %s", (calls, outcome) => {
    const builder = agentBuilder([...code.i32(calls), ...code.call(0)], { before: countdown });
    const agent = startAgent(builder.build(), { call_depth: 102 });
    if (outcome === "passes") agent.handle(message);
    else expect(trapOf(() => agent.handle(message)).kind).toBe("call_depth");
  });

  test.each([
    [10, "passes"],
    [11, "traps"],
  ])(
    "a call of a function with 256 locals counts three times: %i within call depth 34: %s",
    (calls, outcome) => {
      const wide = (b: WasmBuilder): void => {
        const again = [...code.get(0), ...code.i32(1), 0x6b, ...code.call(0)];
        const locals = Array.from({ length: 256 }, () => t.i64);
        b.function({ params: [t.i32], locals, code: [...code.get(0), ...code.if(again)] });
      };
      const builder = agentBuilder([...code.i32(calls), ...code.call(0)], { before: wide });
      const agent = startAgent(builder.build(), { call_depth: 34 });
      if (outcome === "passes") agent.handle(message);
      else expect(trapOf(() => agent.handle(message)).kind).toBe("call_depth");
    },
  );

  test("depth and fuel are given back after each call, also by returns in the middle", () => {
    const early = (b: WasmBuilder): void => {
      b.function({ code: [] });
      b.function({ code: [...code.call(0), ...code.block([0x0f]), 0x00] });
      b.function({ code: [...code.call(1), ...code.block(code.br(1)), 0x00] });
      b.function({ code: [...code.call(2), ...code.block([...code.i32(1), ...code.brIf(1)]), 0x00] });
      b.function({
        code: [
          ...code.call(3),
          ...code.block([...code.i32(1), ...code.brTable([0], 1)]),
          ...code.i32(0),
          ...code.brTable([0], 0),
        ],
      });
    };
    const loop = [
      ...code.i32(50),
      ...code.set(2),
      ...code.loop([...code.call(4), ...code.get(2), ...code.i32(1), 0x6b, ...code.tee(2), ...code.brIf(0)]),
    ];
    const agent = startAgent(agentBuilder(loop, { before: early, locals: [t.i32] }).build(), {
      call_depth: 6,
    });
    agent.handle(message);
    const used = agent.fuelUsed;
    for (let i = 0; i < 10; i++) agent.handle(message);
    expect(agent.fuelUsed).toBe(used);
  });

  test("a loop pays for the instructions it runs, not for those it skips", () => {
    const skipped = code.if(Array.from({ length: 500 }, () => 0x01));
    const turn = [
      ...code.i32(0),
      ...skipped,
      ...code.get(2),
      ...code.i32(1),
      0x6b,
      ...code.tee(2),
      ...code.brIf(0),
    ];
    const agent = startAgent(
      agentBuilder([...code.i32(10), ...code.set(2), ...code.loop(turn)], { locals: [t.i32] }).build(),
    );
    agent.handle(message);
    // alloc 1; const, set, loop; ten times const, if and five more.
    expect(agent.fuelUsed).toBe(1 + 3 + 10 * 7);
  });

  test("memory stops at the limit given, whatever the module declares", () => {
    const builder = agentBuilder([...code.loop([...grow(1), ...code.i32(-1), 0x47, ...code.brIf(0)])], {
      maximum: 60_000,
    });
    const agent = startAgent(builder.build(), {
      prepare: { ...allGranted, limits: { memory_bytes: 3 * mebibyte } },
    });
    agent.handle(message);
    expect(agent.memory_bytes).toBe(3 * mebibyte);
  });

  test("a huge frame is stopped by the depth it costs", () => {
    const locals = Array.from({ length: 5_000 }, () => t.i64);
    const builder = agentBuilder([...code.get(0), ...code.get(1), ...code.call(handleIndex)], { locals });
    expect(trapOf(() => startAgent(builder.build()).handle(message)).kind).toBe("call_depth");
  });

  test("the engine's own stack overflow counts as call depth", () => {
    const builder = agentBuilder([...code.get(0), ...code.get(1), ...code.call(handleIndex)]);
    const agent = startAgent(builder.build(), { call_depth: 100_000, fuel: 2_000_000_000 });
    expect(trapOf(() => agent.handle(message)).kind).toBe("call_depth");
  });
});

describe("starting", () => {
  const spin = { code: code.loop(code.br(0)) };

  test("an endless start function is stopped", () => {
    const builder = agentBuilder([], { before: (b) => b.start(b.function(spin)) });
    expect(trapOf(() => startAgent(builder.build())).kind).toBe("fuel");
  });

  test("an endless _initialize and an endless init are stopped", () => {
    const initialize = agentBuilder([], { before: (b) => b.function({ ...spin, export: "_initialize" }) });
    expect(trapOf(() => startAgent(initialize.build())).kind).toBe("fuel");
    const init = startAgent(
      agentBuilder([], { before: (b) => b.function({ ...spin, export: "init" }) }).build(),
    );
    expect(trapOf(() => init.init()).kind).toBe("fuel");
  });

  test("start runs before _initialize, init when it is called", () => {
    const host = new RecordingHost();
    const say = (letter: string): number[] => [
      ...code.i32(0),
      ...code.i32(letter.charCodeAt(0)),
      ...code.access(0x3a),
      ...code.i32(1),
      ...code.i32(0),
      ...code.i32(1),
      ...code.call(0),
    ];
    const builder = agentBuilder([], {
      before: (b) => {
        b.importFunction("caxton", "log", [t.i32, t.i32, t.i32], []);
        b.function({ code: say("i"), export: "init" });
        b.function({ code: say("s") });
        b.function({ code: say("e"), export: "_initialize" });
        b.start(2);
      },
    });
    const agent = startAgent(builder.build(), { host });
    agent.init();
    expect(host.logs).toEqual(["1 s", "1 e", "1 i"]);
  });

  test("a data segment outside of memory is a trap", () => {
    const builder = agentBuilder([]);
    builder.data(70_000, [1, 2, 3]);
    expect(trapOf(() => startAgent(builder.build())).kind).toBe("out_of_bounds");
  });

  test("the shape of a compiled module is that of the prepared one", () => {
    const builder = agentBuilder([], {
      before: (b) => {
        b.importFunction("caxton", "now", [], [t.f64]);
        b.function({ code: [], export: "init" });
        b.function({ params: [t.i32], code: [], export: "on_timer" });
      },
    });
    const prepared = prepareModule(builder.build(), allGranted);
    const module = new WebAssembly.Module(prepared.instrumented);
    expect(shapeOf(module)).toEqual({ imports: prepared.imports, exports: prepared.exports });
    expect(instantiate(prepared, module).trapped).toBe(false);
    expect(() => shapeOf(new WebAssembly.Module(builder.build()))).toThrow("not instrumented");
  });
});

describe("what is saved", () => {
  const pack = (pointer: number, length: number): number[] =>
    code.i64((BigInt(pointer) << 32n) | BigInt(length));

  test("comes back as bytes, and is given to load", () => {
    const builder = agentBuilder([
      ...code.i32(100),
      ...code.get(0),
      ...code.access(0x28),
      ...code.access(0x36),
    ]);
    builder.function({ results: [t.i64], code: pack(100, 4), export: "save" });
    const load = [...code.i32(100), ...code.get(0), ...code.access(0x28), ...code.access(0x36)];
    builder.function({ params: [t.i32, t.i32], code: load, export: "load" });
    const first = startAgent(builder.build());
    first.handle(new Uint8Array([9, 8, 7, 6]));
    const saved = first.save();
    expect(saved).toEqual(new Uint8Array([9, 8, 7, 6]));
    const second = startAgent(builder.build());
    second.load(saved ?? new Uint8Array(0));
    expect(second.save()).toEqual(saved);
  });

  test("is undefined without save, and an `abi` trap when its range is outside of memory", () => {
    expect(startAgent(agentBuilder([]).build()).save()).toBeUndefined();
    for (const [pointer, length] of [
      [65_536, 1],
      [-1 >>> 0, 2],
      [10, 0xffff_ffff],
    ] as const) {
      const builder = agentBuilder([]);
      builder.function({ results: [t.i64], code: pack(pointer, length), export: "save" });
      expect(trapOf(() => startAgent(builder.build()).save()).kind).toBe("abi");
    }
  });
});

describe("memory out of a budget that others share", () => {
  /** Pages that are free, and what was said of them. */
  class Pages implements MemoryGrant {
    constructor(public free: number) {}
    take(pages: number): boolean {
      return this.free >= pages;
    }
    allow(pages: number): number {
      return Math.min(pages, this.free);
    }
    use(pages: number): void {
      this.free -= pages;
    }
  }
  /** Grows by one page and says at 0 what came of it. */
  const growing = agentBuilder([...code.i32(0), ...code.i32(1), 0x40, 0, ...code.access(0x36)], {
    before: () => undefined,
  });
  const start = (grant: Pages): AgentInstance => {
    const prepared = prepareModule(growing.build(), allGranted);
    const memory = { ...prepared.memory, grant };
    const limits = { fuel: 1_000_000, call_depth: 512 };
    const module = new WebAssembly.Module(prepared.instrumented);
    return AgentInstance.create(module, prepared, new RecordingHost(), limits, memory);
  };

  test("it grows ahead of the guest only within what is granted, and gives all back when it is closed", () => {
    const grant = new Pages(6);
    const agent = start(grant);
    const free = [grant.free];
    for (let i = 0; i < 4; i++) {
      agent.handle(message);
      free.push(grant.free);
    }
    // One page; doubled to 2, 4, (held), then 6, which is all there is.
    expect(free).toEqual([5, 4, 2, 2, 0]);
    agent.handle(message);
    agent.handle(message);
    expect(agent.memory_bytes).toBe(6 * 65_536);
    grant.free = 3;
    agent.handle(message);
    expect(grant.free).toBe(0);
    agent.close();
    expect(grant.free).toBe(9);
  });

  test("it does not begin without room for its first pages", () => {
    const grant = new Pages(0);
    expect(trapOf(() => start(grant))).toMatchObject({
      kind: "memory",
      detail: expect.stringContaining("agents.memory_budget"),
    });
    expect(grant.free).toBe(0);
  });
});
