/**
 * `bun run bench [name…] [--quick]`: runs benchmarks one after another, each in a process of its own
 * with the environment that a node's launcher gives, shows their tables and keeps the figures in
 * `results/<name>.json`. Exits with 1 when one could not measure; a missed target is no failure.
 */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, isMet, summaryOf, tableOf } from "./measurement.ts";
import { type Result, writeFigures } from "./figures-table.ts";
import { processorTimes, quietMoment, thisMachine } from "./machine.ts";

/** In the order in which they run. */
const names = [
  "local-routing",
  "host-calls",
  "remote-routing",
  "agent-startup",
  "api-reads",
  "idle",
  "durable",
  "failure-detection",
  "failover",
  "balancing",
  "membership",
  "membership-kills",
  "membership-silence",
  "membership-overload",
  "lifeguard",
  "coordinates",
  "consensus",
  "control-apply",
] as const;
type Name = (typeof names)[number];

const load: Readonly<Record<Name, () => Promise<{ readonly bench: Bench }>>> = {
  "local-routing": () => import("./local-routing.ts"),
  "host-calls": () => import("./host-calls.ts"),
  "remote-routing": () => import("./remote-routing.ts"),
  "agent-startup": () => import("./agent-startup.ts"),
  "api-reads": () => import("./api-reads.ts"),
  idle: () => import("./idle.ts"),
  durable: () => import("./durable.ts"),
  "failure-detection": () => import("./failure-detection.ts"),
  failover: () => import("./failover.ts"),
  balancing: () => import("./balancing.ts"),
  membership: () => import("./membership.ts"),
  "membership-kills": () => import("./membership-kills.ts"),
  "membership-silence": () => import("./membership-silence.ts"),
  "membership-overload": () => import("./membership-overload.ts"),
  lifeguard: () => import("./lifeguard.ts"),
  coordinates: () => import("./coordinates.ts"),
  consensus: () => import("./consensus.ts"),
  "control-apply": () => import("./control-apply.ts"),
};

/** The longest of them takes a few minutes; beyond this it hangs. */
const deadline_ms = 20 * 60_000;
/** How long a run waits for a quiet moment, and how long all runs of a benchmark do. */
const quiet_ms_max = 15_000;
const quietInAll_ms_max = 30_000;
const results = join(import.meta.dir, "results");

function isName(text: string): text is Name {
  return (names as readonly string[]).includes(text);
}

/** In a process of its own: one benchmark. */
async function measure(name: Name, quick: boolean): Promise<void> {
  const { bench } = await load[name]();
  const machine = thisMachine();
  console.log(`\n${name}: ${bench.question}`);
  console.log(
    `${machine.cpu}, ${machine.cores} cores, Bun ${machine.bun}, ${machine.commit}, ${machine.date}`,
  );
  const before = processorTimes();
  let waited_ms = 0;
  const quiet = async (): Promise<void> => {
    const began_ms = performance.now();
    await quietMoment(Math.min(quiet_ms_max, quietInAll_ms_max - waited_ms));
    waited_ms += performance.now() - began_ms;
  };
  const figures = await bench.run({
    quick,
    log: (line) => console.log(`  ${line}`),
    quiet: () => (quick ? Promise.resolve() : quiet()),
  });
  const after = processorTimes();
  const busy_percent =
    (100 * (after.busy_ms - before.busy_ms)) / Math.max(1, after.total_ms - before.total_ms);
  console.log(
    `${tableOf(figures)}\n(load before ${machine.loadBefore.toFixed(1)}; cores ${busy_percent.toFixed(0)} % busy)`,
  );
  if (quick) return;
  const rows = figures.map((figure) => ({
    ...figure,
    ...summaryOf(figure.runs),
    met: isMet(figure) ?? null,
  }));
  const result: Result = {
    name,
    question: bench.question,
    command: `bun run bench ${name}`,
    machine,
    busy_percent,
    figures: rows,
  };
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
  writeFigures(import.meta.dir, names);
}

/** Its exit code. */
function inOwnProcess(name: Name, quick: boolean): Promise<number> {
  const args = [import.meta.path, "--measure", name, ...(quick ? ["--quick"] : [])];
  // As the launcher does: without it, instantiating costs time in proportion to the live instances.
  const env = { ...process.env, BUN_JSC_useWasmFastMemory: "0" };
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"], env });
    const timer = setTimeout(() => {
      console.error(`${name} did not end within ${deadline_ms / 60_000} minutes: ending it`);
      child.kill("SIGKILL");
    }, deadline_ms);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(code ?? 1);
    });
  });
}

async function main(args: readonly string[]): Promise<number> {
  const quick = args.includes("--quick");
  const given = args.filter((arg) => !arg.startsWith("--"));
  const unknown = given.filter((name) => !isName(name));
  const strange = args.filter((arg) => arg.startsWith("--") && arg !== "--quick" && arg !== "--measure");
  if (unknown.length > 0 || strange.length > 0) {
    console.error(`No ${[...unknown, ...strange].join(", ")}; there are ${names.join(", ")}, and --quick`);
    return 2;
  }
  const wanted = given.length === 0 ? names : given.filter(isName);
  if (args.includes("--measure")) {
    for (const name of wanted) await measure(name, quick);
    process.exit(0);
  }
  let failures = 0;
  for (const name of wanted) if ((await inOwnProcess(name, quick)) !== 0) failures++;
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
