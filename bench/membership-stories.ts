/** What is done to a ring, and how long it takes until everyone knows. Each gives ms, or a count. */
import { spawn } from "node:child_process";
import { wall_ms } from "./gossip-process.ts";
import { type Change, others, range, type Ring, untilAllThink } from "./ring.ts";
import { processorTime_us } from "./nodes.ts";

/** Between two stories, so that the end of one is not the beginning of the next. */
const settle_ms = 3_000;
/** Busy processes a core, for so long, and the time after it in which nothing false may be said any more. */
const busyPerCore = 4;
const overload_ms = 8_000;
const afterOverload_ms = 20_000;

/** All are started and alone: from the word to join until each sees all. */
export async function joinAll(ring: Ring, count: number): Promise<number> {
  const began_ms = wall_ms();
  await ring.join();
  return (await untilAllThink(ring, range(count), range(count), "alive")) - began_ms;
}

export async function eventsAtAll(ring: Ring, count: number, times: number): Promise<number[]> {
  const took: number[] = [];
  for (let run = 0; run < times; run++) {
    const began_ms = wall_ms();
    took.push(Math.max(...(await ring.event((run * 7) % count))) - began_ms);
    // Off the beat of any timer.
    await Bun.sleep(130 + 37 * (run % 5));
  }
  return took;
}

/** Processor time a node while nothing happens, in percent of a core. */
export async function idleProcessor_percent(ring: Ring, count: number, for_ms: number): Promise<number> {
  const used_us = (): number => ring.pids().reduce((sum, pid) => sum + processorTime_us(pid), 0);
  const [before_us, began_ms] = [used_us(), wall_ms()];
  await Bun.sleep(for_ms);
  return (100 * (used_us() - before_us)) / 1_000 / (wall_ms() - began_ms) / count;
}

export async function killed(ring: Ring, count: number, node: number): Promise<number> {
  const began_ms = wall_ms();
  ring.kill(node);
  const took_ms = (await untilAllThink(ring, others(count, node), [node], "failed")) - began_ms;
  await ring.revive(node);
  await untilAllThink(ring, range(count), range(count), "alive");
  await Bun.sleep(settle_ms);
  return took_ms;
}

/** Silent without a sign: its sockets stay open and nobody reads them. */
export async function silenced(ring: Ring, count: number, node: number): Promise<number> {
  const began_ms = wall_ms();
  ring.signal(node, "SIGSTOP");
  const took_ms = (await untilAllThink(ring, others(count, node), [node], "failed")) - began_ms;
  ring.signal(node, "SIGCONT");
  await untilAllThink(ring, range(count), range(count), "alive");
  await Bun.sleep(settle_ms);
  return took_ms;
}

export interface Stopped {
  /** Healthy nodes called failed by healthy nodes. */
  readonly falseFailures: number;
  readonly rejoined_ms: number;
}

/** Some are stopped for a while. */
export async function stoppedFor(
  ring: Ring,
  count: number,
  stopped: readonly number[],
  for_ms: number,
): Promise<Stopped> {
  const healthy = new Set(others(count, ...stopped));
  const isFalse = ({ observer, subject, status }: Change): boolean =>
    status === "failed" && healthy.has(observer) && healthy.has(subject);
  const { seen, end } = noted(ring, isFalse);
  for (const node of stopped) ring.signal(node, "SIGSTOP");
  await Bun.sleep(for_ms);
  const began_ms = wall_ms();
  for (const node of stopped) ring.signal(node, "SIGCONT");
  const back_ms = await untilAllThink(ring, range(count), range(count), "alive");
  await Bun.sleep(settle_ms);
  end();
  return { falseFailures: seen.length, rejoined_ms: Math.max(0, back_ms - began_ms) };
}

export interface Overloaded {
  readonly falseFailures: number;
  /** Of the last one, after the overload; 0 when there was none after it. */
  readonly last_ms: number;
  /** Until each sees all alive again. */
  readonly agreed_ms: number;
}

/** All cores are oversubscribed for a while. */
export async function overloaded(ring: Ring, count: number, cores: number): Promise<Overloaded> {
  const { seen, end } = noted(ring, ({ status }) => status === "failed");
  const busy = range(cores * busyPerCore).map(() =>
    spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }),
  );
  await Bun.sleep(overload_ms);
  for (const child of busy) child.kill("SIGKILL");
  const over_ms = wall_ms();
  await Bun.sleep(afterOverload_ms);
  const agreed_ms = await untilAllThink(ring, range(count), range(count), "alive");
  end();
  const last_ms = Math.max(0, ...seen.map(({ at_ms }) => at_ms - over_ms));
  return { falseFailures: seen.length, last_ms, agreed_ms: Math.max(0, agreed_ms - over_ms) };
}

function noted(
  ring: Ring,
  wanted: (change: Change) => boolean,
): { readonly seen: Change[]; readonly end: () => void } {
  const seen: Change[] = [];
  return { seen, end: ring.watch((change) => wanted(change) && seen.push(change)) };
}
