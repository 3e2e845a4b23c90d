/** Thirty processes that join at once, what an event takes to reach all of them, and what they cost when nothing happens. */
import { CaxtonRing } from "./caxton-ring.ts";
import type { Bench, BenchOptions, Figure } from "./measurement.ts";
import { eventsAtAll, idleProcessor_percent } from "./membership-stories.ts";
import type { Ring } from "./ring.ts";
import { SerfRing } from "./serf-ring.ts";
import {
  inRing,
  type Compared,
  ringSize,
  ringSizeQuick,
  type Runs,
  settled,
  sideBySide,
} from "./side-by-side.ts";

const probe_ms = 300;

export const bench: Bench = {
  question: "How soon do thirty see each other, and an event, and what do they cost idle, beside serf?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const count = quick ? ringSizeQuick : ringSize;
    const plan = quick ? { joins: 1, events: 3, idle_ms: 1_000 } : { joins: 3, events: 20, idle_ms: 15_000 };
    const wanted: readonly Compared[] = [
      { key: "join", metric: `${count} told to join at once, until each sees all`, unit: "s", atMost: 0.8 },
      { key: "event", metric: "an event at all of them", unit: "ms", atMost: 450 },
      { key: "idle", metric: "idle: processor time a node, of one core", unit: "%", atMost: 0.66 },
      {
        key: "packets",
        metric: "idle: packets sent a node and probe interval",
        unit: "packets",
        atMost: 2.5,
      },
    ];
    return await sideBySide({ log, quiet }, count, wanted, async (make, kind): Promise<Runs> => {
      const join: number[] = [];
      for (let run = 1; run < plan.joins; run++)
        join.push(await inRing(make, count, (_, took) => Promise.resolve(took)));
      return await inRing(make, count, async (ring, took) => {
        join.push(took);
        log(`${kind}, join: ${join.map((one) => one.toFixed(2)).join(" ")} s`);
        await settled();
        const event = await eventsAtAll(ring, count, plan.events);
        return { join, event, ...(await idle(ring, count, plan.idle_ms)) };
      });
    });
  },
};

async function idle(ring: Ring, count: number, for_ms: number): Promise<Runs> {
  if (ring instanceof SerfRing) ring.pause();
  await settled();
  const packets = ring instanceof CaxtonRing ? await ring.packets() : 0;
  const began_ms = performance.now();
  const percent = await idleProcessor_percent(ring, count, for_ms);
  if (!(ring instanceof CaxtonRing)) return { idle: [percent] };
  const sent = (await ring.packets()) - packets;
  return { idle: [percent], packets: [sent / count / ((performance.now() - began_ms) / probe_ms)] };
}
