/**
 * Random, truncated and damaged modules: refused with `invalid_module`, or accepted and then either
 * compiled or refused by the engine. Nothing else is ever thrown, and none reaches the meter.
 */
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { CaxtonError } from "../../../src/base/errors.ts";
import { prepareModule } from "../../../src/wasm/prepare.ts";
import { RecordingHost, allGranted, startAgent } from "../../support/wasm-agents.ts";
import { agentBuilder, code, t } from "../../support/wasm-builder.ts";
import { AgentTrap } from "../../../src/wasm/trap.ts";
import { instrument } from "../../support/wasm-compare.ts";

const corpus = ["algorithms", "vectors", "objects", "edges"].map((name) =>
  Uint8Array.from(readFileSync(new URL(`corpus/${name}.wasm`, import.meta.url))),
);

/** True when accepted; throws when anything but a refusal comes out. */
function survives(attempt: () => unknown): boolean {
  try {
    attempt();
    return true;
  } catch (thrown) {
    if (thrown instanceof CaxtonError && thrown.code === "invalid_module") return false;
    throw thrown;
  }
}

test("any bytes behind the header", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (tail) => {
      const bytes = Uint8Array.from([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...tail]);
      survives(() => prepareModule(bytes, allGranted));
      survives(() => instrument(bytes));
    }),
    { numRuns: 2_000 },
  );
});

test("any bytes as the content of one section", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 13 }), fc.uint8Array({ maxLength: 120 }), (id, content) => {
      const bytes = Uint8Array.from([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, id, content.length, ...content]);
      survives(() => instrument(bytes));
    }),
    { numRuns: 3_000 },
  );
});

test("any bytes as code", () => {
  const add = (bytes: readonly number[]): Uint8Array =>
    agentBuilder(bytes, { before: (b) => b.table(2) }).build();
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 }), (bytes) => {
      survives(() => prepareModule(add(bytes), allGranted));
    }),
    { numRuns: 2_000 },
  );
});

test("every truncation of a real module is refused", () => {
  for (const bytes of corpus.filter((each) => each.length < 2_000)) {
    let accepted = 0;
    for (let length = 0; length < bytes.length; length++) {
      if (survives(() => instrument(bytes.subarray(0, length)))) accepted++;
    }
    // Only cuts between sections can leave a module, and only those without functions or with nothing behind the code.
    expect(accepted).toBeLessThan(8);
  }
});

test("damaged real modules", () => {
  const prng = new Prng(99);
  let compiled = 0;
  for (let round = 0; round < 1_500; round++) {
    const bytes = (corpus[round % corpus.length] as Uint8Array).slice();
    for (let i = prng.between(1, 4); i > 0; i--) {
      const at = prng.below(bytes.length);
      bytes[at] = prng.chance(0.5) ? (bytes[at] as number) ^ (1 << prng.below(8)) : prng.below(256);
    }
    let out: Uint8Array<ArrayBuffer> | undefined;
    survives(() => (out = instrument(bytes)));
    if (out !== undefined && WebAssembly.validate(out)) compiled++;
  }
  expect(compiled).toBeGreaterThan(100);
});

test("damaged code that still runs ends in bounded fuel, with a result or a trap", () => {
  const prng = new Prng(5);
  const turn = [
    ...code.get(2),
    ...code.i32(1),
    0x6a,
    ...code.tee(2),
    ...code.i32(100),
    0x48,
    ...code.brIf(0),
  ];
  const store = [...code.get(2), ...code.get(0), ...code.access(0x36), ...code.i32(1), 0x40, 0, 0x1a];
  const call = [
    ...code.get(2),
    ...code.i32(7),
    0x71,
    ...code.if([...code.get(0), ...code.get(1), ...code.call(1)]),
  ];
  const good = agentBuilder(code.loop([...store, ...call, ...turn]), {
    locals: [t.i32],
    before: (b) => b.table(2),
  }).build();
  let ran = 0;
  for (let round = 0; round < 400; round++) {
    const bytes = good.slice();
    bytes[prng.between(60, bytes.length)] = prng.below(prng.chance(0.5) ? 8 : 256);
    try {
      const agent = startAgent(bytes, { fuel: 20_000, call_depth: 50, host: new RecordingHost() });
      ran++;
      agent.handle(new Uint8Array(8));
      expect(agent.fuelUsed).toBeLessThanOrEqual(20_000);
    } catch (thrown) {
      const expected = thrown instanceof AgentTrap || thrown instanceof WebAssembly.CompileError;
      if (!expected && !(thrown instanceof CaxtonError && thrown.code === "invalid_module")) throw thrown;
    }
  }
  expect(ran).toBeGreaterThan(40);
});
