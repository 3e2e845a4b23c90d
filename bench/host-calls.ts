/** What the calls of an agent to its host cost its thread, for the fuel that they are charged: against an empty loop. */
import { hostCallFuel } from "../src/wasm/abi.ts";
import { AgentHost } from "./agent-host.ts";
import type { Bench, BenchOptions, Figure } from "./measurement.ts";
import { encodedMessage } from "../test/support/messages.ts";
import { agentBuilder, code, t } from "../test/support/wasm-builder.ts";

/** Fuel of one handling, about: a few milliseconds beside which the way into the thread is little. */
const fuelPerMessage = 20_000_000;
const messages = 5;
/** What a call in a loop costs beside its price. */
const loop_fuel = 14;
const key_bytes = 512;

interface Call {
  readonly name: string;
  /** Of one message, when there is a limit on them. */
  readonly most?: number;
  readonly params: readonly number[];
  readonly results: readonly number[];
  /** Pushes the arguments; local 2 counts the calls. */
  readonly give: readonly number[];
  readonly data?: Uint8Array;
}

const i = code.get(2);
const i32s = (count: number): number[] => Array.from({ length: count }, () => t.i32);
const at = (pointer: number, length: number): number[] => [...code.i32(pointer), ...code.i32(length)];
/** Stores the count at 0, so that each call has another key. */
const otherKey = [...code.i32(0), ...i, ...code.access(0x36)];
const state = { params: i32s(4), results: [t.i32] } as const;
const sends = { name: "send", params: i32s(2), results: [t.i32] } as const;
const letter = encodedMessage(0, { receiver: "parked", content: "x".repeat(100) });

const largeLetter = encodedMessage(0, { receiver: "parked", content: "x".repeat(65_000) });
/** Stores the count at 508: keys that are alike but at their end. */
const alike = [...code.i32(508), ...i, ...code.access(0x36)];
const alikeCall = { params: i32s(4), results: [t.i32] } as const;

const calls: Readonly<Record<string, Call>> = {
  "log, 1,000 bytes": { name: "log", params: i32s(3), results: [], give: [...code.i32(1), ...at(0, 1_000)] },
  "log, 4,096 bytes": { name: "log", params: i32s(3), results: [], give: [...code.i32(1), ...at(0, 4_096)] },
  send: { ...sends, give: at(0, letter.length), data: letter, most: 900 },
  "send, 64 KiB": { ...sends, give: at(0, largeLetter.length), data: largeLetter, most: 100 },
  "send, refused": { ...sends, give: at(0, 1_000), most: 900 },
  now: { name: "now", params: [], results: [t.f64], give: [] },
  random: { name: "random", params: [], results: [t.i64], give: [] },
  "timer_set, 60 timers": {
    name: "timer_set",
    params: [t.i32, t.f64],
    results: [t.i32],
    give: [...i, ...code.i32(60), 0x70, ...code.f64(1e9)],
  },
  timer_cancel: { name: "timer_cancel", params: [t.i32], results: [t.i32], give: i },
  "state_get, nothing at a key of 512 bytes": {
    name: "state_get",
    ...state,
    give: [...at(0, key_bytes), ...at(16, 8)],
  },
  "state_set, the same key": { name: "state_set", ...state, give: [...at(0, 4), ...at(16, 8)] },
  "state_set, 64 KiB": { name: "state_set", ...state, give: [...at(0, 4), ...at(0, 65_536)] },
  "state_set, another key each": {
    name: "state_set",
    ...state,
    give: [...otherKey, ...at(0, 4), ...at(16, 8)],
    most: 10_000,
  },
  "state_set, another key of 512 bytes each": {
    ...{ name: "state_set", ...state, give: [...otherKey, ...at(0, key_bytes), ...at(16, 8)], most: 2_000 },
  },
  "state_delete, nothing at a key of 512 bytes": {
    ...{ name: "state_delete", params: i32s(2), results: [t.i32], give: at(0, key_bytes) },
  },
  "state_set, keys of 512 bytes that are alike": {
    ...{ name: "state_set", ...alikeCall, give: [...alike, ...at(0, 512), ...at(16, 8)], most: 5_000 },
  },
  "state_next, nothing after a key of 500 bytes": {
    name: "state_next",
    ...state,
    give: [...at(0, 500), ...at(16, 8)],
  },
};

const reference = "an empty loop";

export const bench: Bench = {
  question: "How long does a call of the host take for its fuel, against an empty loop?",
  async run({ quick, quiet, log }: BenchOptions): Promise<readonly Figure[]> {
    const runs: Record<string, number[]> = {};
    for (let run = 0; run < (quick ? 1 : 5); run++) {
      const host = await AgentHost.start();
      try {
        host.expectTraps();
        await host.host("parked", emptyLoop(), "volatile", true);
        await host.host("empty-loop", emptyLoop(), "volatile");
        for (const [what, call] of Object.entries(calls))
          await host.host(nameOf(what), moduleOf(call), "volatile");
        await quiet();
        const ns = await nsPerFuel(host, "empty-loop");
        (runs[reference] ??= []).push(ns);
        for (const what of Object.keys(calls)) {
          const each = await nsPerFuel(host, nameOf(what));
          log(`${what}: ${each.toFixed(2)} ns for a unit of fuel, an empty loop ${ns.toFixed(2)}`);
          (runs[what] ??= []).push(each / ns);
        }
      } finally {
        await host.close();
      }
    }
    return Object.entries(runs).map(([metric, values]) =>
      metric === reference
        ? { metric, unit: "ns a unit of fuel", runs: values }
        : { metric, unit: "times an empty loop", target: { at: "most", value: 2 }, runs: values },
    );
  },
};

function nameOf(what: string): string {
  return what.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase();
}

/** Processor time, because neighbours on the machine take nothing of that. */
async function nsPerFuel(host: AgentHost, agent: string): Promise<number> {
  const once = async (): Promise<number> => {
    await host.deliver(agent, new Uint8Array([1]));
    return (await host.threads.stats()).fuel;
  };
  const before = await once();
  let fuel = before;
  const began = process.cpuUsage();
  for (let n = 0; n < messages; n++) fuel = await once();
  const { user } = process.cpuUsage(began);
  return (user * 1e3) / (fuel - before);
}

/** Goes on until its fuel has run out: the code that takes longest for its fuel. */
function emptyLoop(): Uint8Array {
  return agentBuilder(code.loop(code.br(0))).build();
}

function moduleOf({ name, params, results, give, data, most }: Call): Uint8Array {
  const turn = [...give, ...code.call(0), ...results.map(() => 0x1a)];
  const times = Math.min(most ?? Infinity, Math.floor(fuelPerMessage / (hostCallFuel(name) + loop_fuel)));
  const builder = agentBuilder(counted(turn, times), {
    pages: 4,
    locals: [t.i32],
    before: (b) => void b.importFunction("caxton", name, params, results),
  });
  if (data !== undefined) builder.data(0, [...data]);
  return builder.build();
}

function counted(turn: readonly number[], times: number): number[] {
  return code.loop([
    ...turn,
    ...[...i, ...code.i32(1), 0x6a, ...code.tee(2)],
    ...[...code.i32(times), 0x49, ...code.brIf(0)],
  ]);
}
