/** The host's functions check every pointer, pay for copies, and give the guest what the host said. */
import { describe, expect, test } from "vitest";
import { hostCallFuel } from "../../../src/wasm/abi.ts";
import type { HostFunctions } from "../../../src/wasm/host.ts";
import { RecordingHost, startAgent, trapOf } from "../../support/wasm-agents.ts";
import { agentBuilder, code, t } from "../../support/wasm-builder.ts";
import type { WasmBuilder } from "../../support/wasm-builder.ts";

const message = new Uint8Array([1, 2, 3, 4]);
const memory_bytes = 65_536;
const i32s = (count: number): number[] => Array.from({ length: count }, () => t.i32);

const signatures: Readonly<Record<string, readonly [params: number[], results: number[]]>> = {
  log: [i32s(3), []],
  send: [i32s(2), [t.i32]],
  state_get: [i32s(4), [t.i32]],
  state_set: [i32s(4), [t.i32]],
  state_delete: [i32s(2), [t.i32]],
  state_next: [i32s(4), [t.i32]],
};

/** Calls `name` with these values; what it returns is stored at 0 and saved. */
function callHost(name: string, values: readonly number[], host: HostFunctions, fuel?: number): number {
  const [params, results] = signatures[name] ?? [[], []];
  const call = [...values.flatMap((value) => code.i32(value)), ...code.call(0)];
  const body = results.length === 0 ? call : [...code.i32(0), ...call, ...code.access(0x36)];
  const builder = agentBuilder(body, {
    before: (b) => void b.importFunction("caxton", name, params, results),
  });
  builder.data(100, [...new TextEncoder().encode("keyvalue")]);
  builder.function({ results: [t.i64], code: code.i64(64n), export: "save" });
  const agent = startAgent(builder.build(), fuel === undefined ? { host } : { host, fuel });
  agent.handle(message);
  const saved = agent.save() ?? new Uint8Array(4);
  return new DataView(saved.buffer).getInt32(0, true);
}

const badRanges = [
  [memory_bytes, 1],
  [memory_bytes - 1, 2],
  [0, memory_bytes + 1],
  [-1, 1],
  [-1, -1],
  [1, -1],
  [2 ** 31 - 1, 2 ** 31 - 1],
  [-(2 ** 31), -(2 ** 31)],
] as const;

const pointerCalls: readonly (readonly [string, (range: readonly number[]) => number[]])[] = [
  ["log", (range) => [1, ...range]],
  ["send", (range) => [...range]],
  ["state_get", (range) => [...range, 0, 8]],
  ["state_get", (range) => [100, 3, ...range]],
  ["state_set", (range) => [...range, 0, 8]],
  ["state_set", (range) => [100, 3, ...range]],
  ["state_delete", (range) => [...range]],
  ["state_next", (range) => [...range, 0, 8]],
  ["state_next", (range) => [100, 3, ...range]],
];

describe.each(pointerCalls)("%s with a range outside of memory", (name, values) => {
  test.each(badRanges)("%i, %i is an abi trap that the host never sees", (pointer, length) => {
    const host = new RecordingHost();
    const trap = trapOf(() => callHost(name, values([pointer, length]), host));
    expect(trap.kind).toBe("abi");
    expect(trap.detail).toContain("outside of memory");
    expect([host.logs, host.sent, host.state.size]).toEqual([[], [], 0]);
  });

  test("the last byte and an empty range at the end are inside", () => {
    callHost(name, values([memory_bytes - 1, 1]), new RecordingHost());
    callHost(name, values([memory_bytes, 0]), new RecordingHost());
  });
});

describe("state", () => {
  test("a value goes in, comes back when it fits, and is told by its length when it does not", () => {
    const host = new RecordingHost();
    expect(callHost("state_get", [100, 3, 200, 8], host)).toBe(-1);
    expect(callHost("state_set", [100, 3, 103, 5], host)).toBe(0);
    expect(host.state.get("key")).toEqual(new TextEncoder().encode("value"));
    expect(callHost("state_get", [100, 3, 200, 5], host)).toBe(5);
    expect(callHost("state_get", [100, 3, 200, 4], host)).toBe(5);
    // Copied to where the result is stored, so the length overwrites its first four bytes.
    expect(callHost("state_get", [100, 3, 0, 5], host)).toBe(5);
    expect(callHost("state_next", [100, 0, 200, 8], host)).toBe(3);
    expect(callHost("state_next", [100, 3, 200, 8], host)).toBe(-1);
    expect(callHost("state_delete", [100, 3], host)).toBe(0);
    expect(host.state.size).toBe(0);
  });

  test("a value that fits is in the guest's memory, one that does not leaves it alone", () => {
    const host = new RecordingHost();
    host.state.set("key", new TextEncoder().encode("1234"));
    for (const [capacity, expected] of [
      [4, "1234"],
      [3, "\0\0\0\0"],
    ] as const) {
      const get = [
        ...code.i32(100),
        ...code.i32(3),
        ...code.i32(200),
        ...code.i32(capacity),
        ...code.call(0),
        0x1a,
      ];
      const builder = agentBuilder(get, {
        before: (b) => void b.importFunction("caxton", "state_get", i32s(4), [t.i32]),
      });
      builder.data(100, [...new TextEncoder().encode("key")]);
      builder.function({ results: [t.i64], code: code.i64((200n << 32n) | 4n), export: "save" });
      const agent = startAgent(builder.build(), { host });
      agent.handle(message);
      expect(new TextDecoder().decode(agent.save())).toBe(expected);
    }
  });
});

test("what the host copies costs fuel by its length", () => {
  const takes = (name: string, values: readonly number[], bytes: number): void => {
    const fuel = hostCallFuel(name) + bytes;
    callHost(name, values, new RecordingHost(), fuel + 20);
    expect(trapOf(() => callHost(name, values, new RecordingHost(), fuel)).kind).toBe("fuel");
  };
  takes("send", [0, 60_000], 60_000);
  takes("send", [0, 255], 0);
  takes("state_set", [0, 32, 0, 60_000], 60_000 / 8);
  takes("state_set", [0, 33, 0, 0], 33 * 8);
  takes("state_get", [0, 60_000, 0, 0], 512 * 8);
  takes("state_next", [0, 400, 0, 0], 400 * 8);
  takes("state_delete", [0, 400], 400 * 8);
});

test("a call that the host refuses costs more", () => {
  const refusing = Object.assign(new RecordingHost(), { send: () => -1 });
  const fuel = hostCallFuel("send") + 3_000;
  expect(callHost("send", [0, 1], refusing, fuel + 20)).toBe(-1);
  expect(trapOf(() => callHost("send", [0, 1], refusing, fuel)).kind).toBe("fuel");
});

test("a log text is cut at 4 KiB and its level brought into range", () => {
  const host = new RecordingHost();
  callHost("log", [-7, 0, 60_000], host);
  callHost("log", [99, 100, 3], host);
  expect(host.logs.map((line) => line.length)).toEqual([4_096 + 2, 5]);
  expect(host.logs[0]?.[0]).toBe("0");
  expect(host.logs[1]).toBe("3 key");
});

test("views are renewed when memory grows during a call", () => {
  const host = new RecordingHost();
  const store = [...code.i32(200_000), ...code.i32(0x2a), ...code.access(0x3a)];
  const log = [...code.i32(1), ...code.i32(200_000), ...code.i32(1), ...code.call(0)];
  const first = [...code.i32(1), ...code.i32(100), ...code.i32(0), ...code.call(0)];
  const builder = agentBuilder([...first, ...code.i32(4), 0x40, 0, 0x1a, ...store, ...log], {
    before: (b) => void b.importFunction("caxton", "log", i32s(3), []),
  });
  const agent = startAgent(builder.build(), { host });
  agent.handle(message);
  agent.handle(message);
  expect(host.logs).toEqual(["1 ", "1 *", "1 ", "1 *"]);
});

test.each([
  [65_530, "abi"],
  [-8, "abi"],
  [65_526, null],
] as const)("ten bytes for which alloc returns %i: %s", (pointer, kind) => {
  const agent = startAgent(agentBuilder([], { alloc: code.i32(pointer) }).build());
  if (kind === null) agent.handle(new Uint8Array(10));
  else expect(trapOf(() => agent.handle(new Uint8Array(10))).kind).toBe(kind);
});

test("alloc may grow memory to make room", () => {
  const alloc = [...code.i32(2), 0x40, 0, ...code.i32(65_536), 0x6c];
  const host = new RecordingHost();
  const log = [...code.i32(1), ...code.get(0), ...code.get(1), ...code.call(0)];
  const before = (b: WasmBuilder): void => void b.importFunction("caxton", "log", i32s(3), []);
  const agent = startAgent(agentBuilder(log, { alloc, before }).build(), { host });
  for (const text of ["one", "two", "three"]) agent.handle(new TextEncoder().encode(text));
  expect(host.logs).toEqual(["1 one", "1 two", "1 three"]);
});

describe("timers, time and random numbers", () => {
  const timer = (delay: number, host: RecordingHost): void => {
    const set = [...code.i32(7), ...code.f64(delay), ...code.call(0), 0x1a];
    const before = (b: WasmBuilder): void =>
      void b.importFunction("caxton", "timer_set", [t.i32, t.f64], [t.i32]);
    startAgent(agentBuilder(set, { before }).build(), { host }).handle(message);
  };

  test.each([
    [250.5, 250.5],
    [-1, 0],
    [Number.NaN, 0],
    [-Infinity, 0],
  ])("a delay of %d arrives as %d", (delay, expected) => {
    const host = new RecordingHost();
    timer(delay, host);
    expect(host.timers.get(7)).toBe(expected);
  });

  test("an infinite delay is an abi trap", () => {
    expect(trapOf(() => timer(Infinity, new RecordingHost())).kind).toBe("abi");
  });

  test("any 64 bits of a random number arrive", () => {
    const random = [...code.i32(0), ...code.call(0), ...code.access(0x37)];
    const before = (b: WasmBuilder): void => void b.importFunction("caxton", "random", [], [t.i64]);
    const builder = agentBuilder(random, { before });
    builder.function({ results: [t.i64], code: code.i64(8n), export: "save" });
    for (const value of [0n, 2n ** 64n - 1n, 2n ** 63n]) {
      const host = Object.assign(new RecordingHost(), { random: () => value });
      const agent = startAgent(builder.build(), { host });
      agent.handle(message);
      expect(new DataView((agent.save() ?? new Uint8Array(8)).buffer).getBigUint64(0, true)).toBe(value);
    }
  });
});

test("an error of the host itself is a trap of kind other, with its cause", () => {
  const broken = new Error("the disk is gone");
  const host = Object.assign(new RecordingHost(), {
    send: () => {
      throw broken;
    },
  });
  const trap = trapOf(() => callHost("send", [0, 1], host));
  expect(trap.kind).toBe("other");
  expect(trap.detail).toBe("the disk is gone");
  expect(trap.cause).toBe(broken);
});

test.each([
  ["directly", code.call(0)],
  ["through the table", [...code.i32(0), ...code.callIndirect(0)]],
])("a host function called %s costs its price", (_, call) => {
  const builder = agentBuilder(code.loop([...call, 0x1a, ...code.br(0)]), {
    before: (b) => {
      b.importFunction("caxton", "random", [], [t.i64]);
      b.table(1);
      b.element(0, [0]);
    },
  });
  let calls = 0n;
  const host = Object.assign(new RecordingHost(), { random: () => calls++ });
  expect(
    trapOf(() => startAgent(builder.build(), { host, fuel: 1000 * hostCallFuel("random") }).handle(message))
      .kind,
  ).toBe("fuel");
  expect(Number(calls)).toBeGreaterThan(900);
  expect(Number(calls)).toBeLessThan(1_000);
});
