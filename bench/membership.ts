/**
 * Thirty processes that gossip on loopback, side by side with thirty agents of serf (Debian's package, LAN profile)
 * where it is installed, and a hundred members in one process. Caxton's processes hold the gossip thread and the peer
 * streams of a node and nothing else: thirty whole nodes would mostly measure two cores.
 */
import { availableParallelism } from "node:os";
import { CaxtonRing } from "./caxton-ring.ts";
import { Hundred } from "./gossip-hundred.ts";
import { type Bench, type BenchOptions, type Figure, quantile, shown } from "./measurement.ts";
import {
  eventsAtAll,
  idleProcessor_percent,
  joinAll,
  killed,
  overloaded,
  silenced,
  stoppedFor,
} from "./membership-stories.ts";
import { range, type Ring } from "./ring.ts";
import { SerfRing, serfVersion } from "./serf-ring.ts";

const probe_ms = 300;
const settle_ms = 8_000;

interface Plan {
  readonly count: number;
  readonly joins: number;
  readonly events: number;
  readonly idle_ms: number;
  readonly kills: number;
  readonly silences: number;
  readonly stopped: number;
  readonly stopped_ms: number;
}

const full: Plan = {
  count: 30,
  joins: 3,
  events: 40,
  idle_ms: 20_000,
  kills: 12,
  silences: 8,
  stopped: 4,
  stopped_ms: 16_000,
};
const short: Plan = {
  count: 4,
  joins: 1,
  events: 3,
  idle_ms: 1_000,
  kills: 1,
  silences: 1,
  stopped: 1,
  stopped_ms: 1_000,
};
/** Serf needs nine seconds for what Caxton does in one. */
const fullOfSerf: Plan = { ...full, kills: 4, silences: 3 };

/** Seconds, where nothing else is said. */
interface Measured {
  readonly join: number[];
  readonly event_ms: number[];
  readonly idle_percent: number[];
  readonly kill: number[];
  readonly silence: number[];
  readonly falseFailures: number[];
  readonly rejoin: number[];
}

export const bench: Bench = {
  question: "How soon does everyone know, beside serf?",
  async run({ quick, log, quiet }: BenchOptions): Promise<readonly Figure[]> {
    const plan = quick ? short : full;
    const version = serfVersion();
    if (version === undefined)
      log("serf is missing (Debian: apt-get install serf): measured without it, so there are no ratios");
    else log(`serf ${version}, LAN profile, ${plan.count} agents`);
    await quiet();
    const figures: Figure[] = [];
    const ours = await measureCaxton(plan, log, figures);
    if (version !== undefined) await quiet();
    const theirs =
      version === undefined
        ? undefined
        : await measure((count) => new SerfRing(count), quick ? short : fullOfSerf, log);
    await quiet();
    const hundred = await measureHundred(quick ? 5 : 100, quick ? 1 : 10, log);
    return [...compared(ours, theirs, plan.count, log), ...figures, ...hundred];
  },
};

async function measureCaxton(plan: Plan, log: (line: string) => void, figures: Figure[]): Promise<Measured> {
  return await measure(
    (count) => new CaxtonRing(count),
    plan,
    log,
    async (ring) => {
      const packets = await idlePackets(ring as CaxtonRing, plan);
      figures.push({
        metric: "idle: packets sent a node and probe interval",
        unit: "packets",
        target: { at: "most", value: 2.5 },
        runs: [packets],
      });
      if (plan.count < full.count) return;
      const { falseFailures, last_ms, agreed_ms } = await overloaded(
        ring,
        plan.count,
        availableParallelism(),
      );
      log(`caxton, overload: ${falseFailures} false failures, the last ${shown(last_ms / 1_000)} s after it`);
      figures.push(
        { metric: "cores oversubscribed for 8 s: false failures", unit: "", runs: [falseFailures] },
        {
          metric: "the last of them after the overload",
          unit: "s",
          target: { at: "most", value: 10 },
          runs: [last_ms / 1_000],
        },
        { metric: "all alive to all after the overload", unit: "s", runs: [agreed_ms / 1_000] },
      );
    },
  );
}

async function idlePackets(ring: CaxtonRing, { count, idle_ms }: Plan): Promise<number> {
  const [before, began_ms] = [await ring.packets(), performance.now()];
  await Bun.sleep(idle_ms);
  const packets = (await ring.packets()) - before;
  return packets / count / ((performance.now() - began_ms) / probe_ms);
}

async function measure(
  make: (count: number) => Ring,
  plan: Plan,
  log: (line: string) => void,
  also: (ring: Ring) => Promise<void> = () => Promise.resolve(),
): Promise<Measured> {
  const { count, joins } = plan;
  const join: number[] = [];
  for (let run = 1; ; run++) {
    const ring = make(count);
    try {
      await ring.start();
      await Bun.sleep(1_000);
      join.push((await joinAll(ring, count)) / 1_000);
      log(`${ring.name}, join: ${shown(join.at(-1) ?? 0)} s`);
      if (run < joins) continue;
      const rest = await measureJoined(ring, plan, log);
      await also(ring);
      return { join, ...rest };
    } finally {
      await ring.dispose();
    }
  }
}

async function measureJoined(
  ring: Ring,
  plan: Plan,
  log: (line: string) => void,
): Promise<Omit<Measured, "join">> {
  const { count, events, idle_ms, kills, silences, stopped, stopped_ms } = plan;
  await Bun.sleep(settle_ms);
  const event_ms = await eventsAtAll(ring, count, events);
  if (ring instanceof SerfRing) ring.pause();
  await Bun.sleep(2_000);
  const idle_percent = [await idleProcessor_percent(ring, count, idle_ms)];
  if (ring instanceof SerfRing) ring.resume();
  const kill: number[] = [];
  for (let run = 0; run < kills; run++) kill.push((await killed(ring, count, victim(run, count))) / 1_000);
  log(`${ring.name}, kill -9: ${listed(kill)} s`);
  const silence: number[] = [];
  for (let run = 0; run < silences; run++)
    silence.push((await silenced(ring, count, victim(run + 3, count))) / 1_000);
  log(`${ring.name}, silent: ${listed(silence)} s`);
  const some = range(stopped).map((i) => (i * 7 + 2) % count);
  const { falseFailures, rejoined_ms } = await stoppedFor(ring, count, some, stopped_ms);
  log(`${ring.name}, some stopped: ${falseFailures} false failures, back after ${shown(rejoined_ms)} ms`);
  return {
    event_ms,
    idle_percent,
    kill,
    silence,
    falseFailures: [falseFailures],
    rejoin: [rejoined_ms / 1_000],
  };
}

/** Never the first: the others join through it. */
function victim(run: number, count: number): number {
  return 1 + ((run * 11) % (count - 1));
}

function listed(values: readonly number[]): string {
  return values.map((value) => value.toFixed(2)).join(" ");
}

function compared(
  ours: Measured,
  theirs: Measured | undefined,
  count: number,
  log: (line: string) => void,
): Figure[] {
  const figures: Figure[] = [];
  const median = (runs: readonly number[]): number =>
    quantile(
      runs.toSorted((a, b) => a - b),
      0.5,
    );
  const pair = (metric: string, unit: string, key: keyof Measured, at?: number): void => {
    const target = at === undefined ? {} : { target: { at: "most" as const, value: at } };
    figures.push({ metric, unit, runs: ours[key], ...target });
    if (!theirs) return;
    figures.push({ metric: "— serf", unit, runs: theirs[key] });
    const [mine, other] = [median(ours[key]), median(theirs[key])];
    if (other > 0)
      log(`${metric}: ${shown(mine / other)} × serf's (${shown(mine)} and ${shown(other)} ${unit})`);
  };
  const p99 = (metric: string, runs: readonly number[], at: number): void => {
    const value = quantile(
      runs.toSorted((a, b) => a - b),
      0.99,
    );
    figures.push({ metric, unit: "s", target: { at: "most", value: at }, runs: [value] });
  };
  pair(`${count} told to join at once, until each sees all`, "s", "join", 0.8);
  pair("an event at all of them", "ms", "event_ms", 450);
  pair("kill −9 known to all", "s", "kill");
  p99("kill −9 known to all, p99", ours.kill, 1.5);
  pair("a silent one known to all", "s", "silence", 3.5);
  pair("4 stopped for 16 s: healthy ones called failed", "", "falseFailures", 0);
  pair("they go on: all alive to all", "s", "rejoin", 1);
  pair("idle: processor time a node, of one core", "%", "idle_percent", 0.66);
  return figures;
}

async function measureHundred(
  count: number,
  times: number,
  log: (line: string) => void,
): Promise<readonly Figure[]> {
  const hundred = new Hundred();
  try {
    const opened_ms = await hundred.open(count);
    log(`${count} in one process: opened and known to all after ${shown(opened_ms / 1_000)} s`);
    await Bun.sleep(settle_ms);
    const runs: number[] = [];
    for (let run = 0; run < times; run++) {
      runs.push((await hundred.silenced(victim(run, count))) / 1_000);
      await Bun.sleep(3_000);
    }
    log(`${count} in one process, silent: ${listed(runs)} s`);
    const p99 = quantile(
      runs.toSorted((a, b) => a - b),
      0.99,
    );
    return [
      { metric: `${count} in one process: a silent one known to all`, unit: "s", runs },
      {
        metric: `${count} in one process: a silent one known to all, p99`,
        unit: "s",
        target: { at: "most", value: 5 },
        runs: [p99],
      },
    ];
  } finally {
    await hundred.close();
  }
}
