/** The preparing thread answers like the function it runs, refuses in time, and comes and goes by itself. */
import { afterEach, describe, expect, test } from "vitest";
import type { Clock } from "../../../src/ports/clock.ts";
import { createPreparer } from "../../../src/wasm/prepare-thread.ts";
import type { Preparer, PreparerOptions } from "../../../src/wasm/prepare-thread.ts";
import { prepareModule } from "../../../src/wasm/prepare.ts";
import { allGranted } from "../../support/wasm-agents.ts";
import { agentBuilder, code } from "../../support/wasm-builder.ts";

/** Timers that go off when the test says so. */
class HandClock implements Clock {
  readonly pending = new Set<{ delay_ms: number; callback: () => void }>();
  wall_ms(): number {
    return 0;
  }
  now_ms(): number {
    return 0;
  }
  after(delay_ms: number, callback: () => void): { cancel(): void } {
    const timer = { delay_ms, callback };
    this.pending.add(timer);
    return { cancel: () => this.pending.delete(timer) };
  }
  ring(delay_ms: number): void {
    for (const timer of this.pending) {
      if (timer.delay_ms !== delay_ms) continue;
      this.pending.delete(timer);
      timer.callback();
    }
  }
}

const open: Preparer[] = [];
afterEach(async () => {
  for (const preparer of open.splice(0)) await preparer.close();
});
function preparerWith(options: PreparerOptions = {}): Preparer {
  const preparer = createPreparer(options);
  open.push(preparer);
  return preparer;
}

const good = agentBuilder([]).build();

describe("the preparing thread", () => {
  test("answers what prepareModule answers", async () => {
    expect(await preparerWith().prepare(good, allGranted)).toEqual(prepareModule(good, allGranted));
    expect(good.length).toBeGreaterThan(0);
  });

  test("refuses with the same text", async () => {
    const refused = preparerWith().prepare(good.subarray(0, 20), allGranted);
    await expect(refused).rejects.toMatchObject({
      code: "invalid_module",
      message: expect.stringContaining("offset"),
    });
  });

  test("has the engine check the types of the code", async () => {
    const wrong = agentBuilder([...code.f64(1), ...code.i32(1), 0x6a, 0x1a]).build();
    const refused = preparerWith().prepare(wrong, allGranted);
    await expect(refused).rejects.toMatchObject({
      code: "invalid_module",
      message: expect.stringContaining("not valid"),
    });
  });

  test("goes on after a refusal, in order", async () => {
    const preparer = preparerWith();
    const answers = await Promise.allSettled(
      [good, good.subarray(0, 9), good].map((bytes) => preparer.prepare(bytes, allGranted)),
    );
    expect(answers.map((answer) => answer.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  test("refuses a module at the deadline and takes the next", async () => {
    const clock = new HandClock();
    const preparer = preparerWith({ clock });
    const late = preparer.prepare(good, allGranted);
    clock.ring(20_000);
    await expect(late).rejects.toMatchObject({
      code: "invalid_module",
      message: expect.stringContaining("20000 ms"),
    });
    await expect(preparer.prepare(good, allGranted)).resolves.toBeDefined();
  });

  test("ends when idle and starts again", async () => {
    const clock = new HandClock();
    const preparer = preparerWith({ clock });
    await preparer.prepare(good, allGranted);
    clock.ring(10_000);
    expect(clock.pending.size).toBe(0);
    await expect(preparer.prepare(good, allGranted)).resolves.toBeDefined();
  });

  test("refuses what is beyond its queue, and everything once closed", async () => {
    const preparer = preparerWith({ waiting_max: 1 });
    const first = preparer.prepare(good, allGranted);
    const second = preparer.prepare(good, allGranted);
    await expect(preparer.prepare(good, allGranted)).rejects.toMatchObject({ code: "too_many_requests" });
    await Promise.all([first, second]);
    const pending = preparer.prepare(good, allGranted);
    const closed = preparer.close();
    await expect(pending).rejects.toMatchObject({ code: "unavailable" });
    await closed;
    await expect(preparer.prepare(good, allGranted)).rejects.toMatchObject({ code: "unavailable" });
  });
});
