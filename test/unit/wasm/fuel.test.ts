/** What a call costs, counted by hand: exactly the instructions that ran, 16 blocks for one unit. */
import { describe, expect, test } from "vitest";
import { chargedFuel } from "../../../src/wasm/fuel-blocks.ts";
import { agentMost } from "../../../src/wire/agent-spec.ts";
import { Specimen, instrument } from "../../support/wasm-compare.ts";
import { WasmBuilder, code, t } from "../../support/wasm-builder.ts";

const nops = (count: number): number[] => Array.from({ length: count }, () => 0x01);
/** Counts local 1 down and goes to the loop's head while it is above zero: five units. */
const again = [...code.get(1), ...code.i32(1), 0x6b, ...code.tee(1), ...code.brIf(0)];

interface Case {
  readonly code: readonly number[];
  /** By the first argument; the second is 3. */
  readonly costs: Readonly<Record<number, number>>;
  readonly before?: (b: WasmBuilder) => void;
}

function costs({ code: body, costs: expected, before }: Case): Record<number, number> {
  const builder = new WasmBuilder();
  builder.memory(1);
  before?.(builder);
  builder.function({ params: [t.i32, t.i32], code: body, export: "run" });
  const specimen = new Specimen(instrument(builder.build()));
  const measured: Record<number, number> = {};
  for (const value of Object.keys(expected).map(Number)) {
    expect(specimen.call("run", value, 3).kind).toBe("value");
    measured[value] = specimen.limits.fuel - (specimen.fuel ?? 0);
  }
  return measured;
}

const cases: Readonly<Record<string, Case>> = {
  "straight code": { code: nops(7), costs: { 0: 7 } },
  "an arm that is taken or not, and what follows": {
    code: [...code.get(0), ...code.if(nops(10)), ...nops(5)],
    costs: { 0: 7, 1: 17 },
  },
  "one of two arms": {
    code: [...code.get(0), ...code.if(nops(10), nops(20)), ...nops(5)],
    costs: { 0: 27, 1: 17 },
  },
  "a branch out of a block, over the rest of it": {
    code: [...code.block([...code.get(0), ...code.brIf(0), ...nops(10)]), ...nops(5)],
    costs: { 0: 2 + 10 + 5 + 1, 1: 2 + 5 + 1 },
  },
  "a branch out of two blocks, over what follows the inner": {
    code: [
      ...code.block([...code.block([...code.get(0), ...code.brIf(1), ...nops(10)]), ...nops(20)]),
      ...nops(5),
    ],
    costs: { 0: 2 + 10 + 20 + 5 + 1, 1: 2 + 5 + 1 },
  },
  "a return in the middle": {
    code: [...code.get(0), ...code.if([0x0f]), ...nops(9)],
    costs: { 0: 2 + 9, 1: 2 + 1 },
  },
  "a branch table": {
    code: [
      ...code.block([
        ...code.block([...code.block([...code.get(0), ...code.brTable([0, 1], 2)]), ...nops(10)]),
        ...nops(20),
      ]),
      ...nops(5),
    ],
    costs: { 0: 2 + 10 + 20 + 5 + 1, 1: 2 + 20 + 5 + 1, 2: 2 + 5 + 1 },
  },
  "a loop, turn by turn": {
    code: [...code.loop([...nops(4), ...again]), ...nops(2)],
    costs: { 0: 1 + 3 * 9 + 2 },
  },
  "a loop that goes on early": {
    code: [...code.loop([...again, ...code.get(0), ...code.if(nops(10)), ...nops(3)]), ...nops(2)],
    costs: { 0: 1 + 3 * 5 + 2 + 3 + 2, 1: 1 + 3 * 5 + 2 + 10 + 3 + 2 },
  },
  "a loop that is left in its first turn": {
    code: [...code.block(code.loop([...code.get(0), ...code.brIf(1), ...nops(4), ...again])), ...nops(2)],
    costs: { 0: 2 + 3 * 11 + 2, 1: 2 + 2 + 2 },
  },
  "code that is never reached": { code: [0x0f, ...nops(50), ...code.block(nops(9))], costs: { 0: 1 } },
  "32 blocks": { code: Array.from({ length: 32 }, () => code.block([])).flat(), costs: { 0: 2 } },
  "a call, and the locals it zeroes": {
    before: (b) => {
      b.function({ locals: Array.from({ length: 64 }, () => t.i64), code: nops(3) });
    },
    code: [...code.call(0), 0x01],
    costs: { 0: 2 + 3 + 4 },
  },
  "bulk memory, by its length": {
    code: [...code.i32(0), ...code.i32(0), ...code.get(0), 0xfc, 0x0b, 0],
    costs: { 0: 4, 15: 4, 16: 5, 1_600: 104 },
  },
  "growth, by the size of what it makes": {
    code: [...code.get(0), 0x40, 0, 0x1a],
    costs: { 0: 3, 1: 3 + 2 * 4_096 },
  },
};

describe("fuel", () => {
  test.each(Object.entries(cases))("%s", (_, each) => {
    expect(costs(each)).toEqual(each.costs);
  });
});

test("a charge for more than a call may have is all that a call may have", () => {
  expect([chargedFuel(16), chargedFuel(17), chargedFuel(16 * 5e9)]).toEqual([1, 2, agentMost.fuel]);
});
