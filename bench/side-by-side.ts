/**
 * A ring of Caxton's processes and one of serf's agents (Debian's package, LAN profile) where it is installed, one
 * after the other in the same run, and their figures beside each other: on a busy machine the ratio is what counts.
 * Caxton's processes hold the gossip thread and the peer streams of a node and nothing else: thirty whole nodes
 * would mostly measure two cores.
 */
import { CaxtonRing } from "./caxton-ring.ts";
import { type BenchOptions, type Figure, quantile, shown } from "./measurement.ts";
import { joinAll } from "./membership-stories.ts";
import { type Ring } from "./ring.ts";
import { SerfRing, serfVersion } from "./serf-ring.ts";

/**
 * Between the start of a ring and the word to join, so that what processes do after they have started is over
 * (thirty of ours on two cores take a while); and between joining and what comes next.
 */
const started_ms = 6_000;
const joined_ms = 8_000;

export const ringSize = 30;
export const ringSizeQuick = 4;

/** Values by metric. */
export type Runs = Readonly<Record<string, readonly number[]>>;

export interface Compared {
  readonly key: string;
  readonly metric: string;
  readonly unit: string;
  readonly atMost?: number;
  /** Of the 99th percentile, which is a figure of its own then. */
  readonly p99AtMost?: number;
}

/** Measures both, and gives the figures of `wanted` in that order. */
export async function sideBySide(
  { log, quiet }: Pick<BenchOptions, "log" | "quiet">,
  count: number,
  wanted: readonly Compared[],
  measure: (make: () => Ring, kind: "caxton" | "serf") => Promise<Runs>,
): Promise<readonly Figure[]> {
  const version = serfVersion();
  if (version === undefined)
    log("serf is missing (Debian: apt-get install serf): measured without it, so there are no ratios");
  else log(`serf ${version}, LAN profile, ${count} agents`);
  await quiet();
  const ours = await measure(() => new CaxtonRing(count), "caxton");
  if (version === undefined) return wanted.flatMap((one) => figuresOf(one, ours));
  await quiet();
  const theirs = await measure(() => new SerfRing(count), "serf");
  return wanted.flatMap((one) => {
    const [mine, other] = [median(ours[one.key] ?? []), median(theirs[one.key] ?? [])];
    if (other > 0)
      log(`${one.metric}: ${shown(mine / other)} × serf's (${shown(mine)} and ${shown(other)} ${one.unit})`);
    const runs = theirs[one.key] ?? [];
    const serf = runs.length === 0 ? [] : [{ metric: `${one.metric} — serf`, unit: one.unit, runs }];
    return [...figuresOf(one, ours), ...serf];
  });
}

/** Runs a story in a ring that has joined, and ends the ring; with how long joining took, in seconds. */
export async function inRing<T>(
  make: () => Ring,
  count: number,
  story: (ring: Ring, join_s: number) => Promise<T>,
): Promise<T> {
  const ring = make();
  try {
    await ring.start();
    await Bun.sleep(started_ms);
    return await story(ring, (await joinAll(ring, count)) / 1_000);
  } finally {
    await ring.dispose();
  }
}

export async function settled(): Promise<void> {
  await Bun.sleep(joined_ms);
}

/** Never the first: the others join through it. */
export function victim(run: number, count: number): number {
  return 1 + ((run * 11) % (count - 1));
}

export function listed(values: readonly number[]): string {
  return values.map((value) => value.toFixed(2)).join(" ");
}

function figuresOf({ key, metric, unit, atMost, p99AtMost }: Compared, ours: Runs): readonly Figure[] {
  const runs = ours[key] ?? [];
  const figure = { metric, unit, runs, ...targetOf(atMost) };
  if (p99AtMost === undefined) return [figure];
  return [figure, { metric: `${metric}, p99`, unit, runs: [p99(runs)], ...targetOf(p99AtMost) }];
}

function targetOf(value: number | undefined): Pick<Figure, "target"> | Record<never, never> {
  return value === undefined ? {} : { target: { at: "most", value } };
}

export function p99(runs: readonly number[]): number {
  return quantile(
    runs.toSorted((a, b) => a - b),
    0.99,
  );
}

function median(runs: readonly number[]): number {
  return quantile(
    runs.toSorted((a, b) => a - b),
    0.5,
  );
}
