/**
 * `caxton simulate`: a whole cluster in this process, from a seed, with faults; no node is touched. Exits 1
 * when an invariant broke, with the seed and a small scenario that replays it.
 */
import { writeFileSync } from "node:fs";
import { counted } from "../base/counted.ts";
import { formatDuration, parseDuration } from "../base/durations.ts";
import { readBoundedText } from "../platform/node/read-bounded.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import type { RunResult } from "../simulation/run.ts";
import { faultNames, type FaultName } from "../simulation/random-schedule.ts";
import { nodesLimit, regionPlans, type RegionPlan, type Scenario } from "../simulation/scenario.ts";
import { timingProfiles, type TimingProfile } from "../swim/timing.ts";
import { type Call, command } from "./command.ts";
import { asText, choices, wholeNumber } from "./parse.ts";

const scenarioLimit_bytes = 1024 * 1024;

interface Flags {
  readonly nodes?: number;
  readonly seed?: number;
  readonly scenario?: string;
  readonly duration?: number;
  readonly faults?: readonly FaultName[];
  readonly regions?: RegionPlan;
  readonly profile?: TimingProfile;
  readonly loss?: number;
  readonly agents?: number;
  readonly messages?: number;
  readonly save?: string;
  readonly shrink: boolean;
  readonly raft?: number;
  readonly consensus?: number;
}

const seedLimit = 2 ** 32 - 1;
const agentsLimit = 10_000;
const raftSeedsLimit = 1_000_000;
const messagesLimit = 10_000;
const defaults = { nodes: 30, agents: 3, seed: 1, messages: 10 } as const;
const brokenExit = 1;
/** A smaller scenario is looked for as long as the failing one was played, and at least so long. */
const shrinkLeast_ms = 10_000;

export const simulate = command<Flags>({
  brief: "Play a cluster with faults in this process, from a seed",
  examples: [
    "caxton simulate --nodes 30 --seed 7",
    "caxton simulate --nodes 100 --regions zones --faults region-cut",
    "caxton simulate --scenario caxton-simulation-detection-seed7.json",
  ],
  parameters: {
    flags: {
      nodes: {
        kind: "parsed",
        parse: wholeNumber(1, nodesLimit),
        optional: true,
        placeholder: "N",
        brief: "[30]",
      },
      seed: {
        kind: "parsed",
        parse: wholeNumber(0, seedLimit),
        optional: true,
        placeholder: "N",
        brief: "What decides the run [1]",
      },
      scenario: {
        kind: "parsed",
        parse: asText,
        optional: true,
        placeholder: "FILE",
        brief: "Play this one, as a failing run leaves it; other flags change it",
      },
      duration: {
        kind: "parsed",
        parse: parseDuration,
        optional: true,
        placeholder: "D",
        brief: "Virtual time [about 2m]",
      },
      faults: {
        kind: "parsed",
        parse: faultList,
        optional: true,
        placeholder: "F,…",
        brief: `Random faults of these kinds: all, none, or of ${faultNames.join(", ")} [all]`,
      },
      regions: {
        kind: "parsed",
        ...choices(regionPlans),
        optional: true,
        placeholder: "R",
        brief: "one, zones or cities [one]",
      },
      profile: {
        kind: "parsed",
        ...choices(timingProfiles),
        optional: true,
        placeholder: "P",
        brief: "Timing [lan; wan for cities]",
      },
      loss: {
        kind: "parsed",
        parse: percent,
        optional: true,
        placeholder: "P",
        brief: "Datagrams lost, in percent [0]",
      },
      agents: {
        kind: "parsed",
        parse: wholeNumber(0, agentsLimit),
        optional: true,
        placeholder: "N",
        brief: "On each node [3]",
      },
      messages: {
        kind: "parsed",
        parse: wholeNumber(0, messagesLimit),
        optional: true,
        placeholder: "N",
        brief: "Between agents, in a second, of all nodes together [10]",
      },
      save: {
        kind: "parsed",
        parse: asText,
        optional: true,
        placeholder: "FILE",
        brief: "Where a failing scenario goes",
      },
      shrink: { kind: "boolean", default: true, brief: "Look for a smaller failing scenario" },
      raft: {
        kind: "parsed",
        parse: wholeNumber(1, raftSeedsLimit),
        optional: true,
        placeholder: "N",
        brief: "Instead: N random worlds of Raft alone, from the seed on",
      },
      consensus: {
        kind: "parsed",
        parse: wholeNumber(1, raftSeedsLimit),
        optional: true,
        placeholder: "N",
        brief: "Instead: N random worlds of all of consensus, from the seed on",
      },
    },
  },
  run: async (call, flags) => {
    if (flags.raft !== undefined) {
      const { simulateRaft } = await import("./simulate-raft.ts");
      return simulateRaft(call, flags.seed ?? defaults.seed, flags.raft);
    }
    if (flags.consensus !== undefined) {
      const { simulateConsensus } = await import("./simulate-consensus.ts");
      return await simulateConsensus(call, flags.seed ?? defaults.seed, flags.consensus);
    }
    const { runScenario } = await import("../simulation/run.ts");
    const { headline, summaryLines, timelineLines } = await import("../simulation/summary.ts");
    const scenario = await scenarioOf(flags);
    call.output.notice(`seed ${scenario.seed}`);
    call.output.notice(headline({ scenario }));
    const began_ms = performance.now();
    const result = await runScenario(scenario, progressOf(call, scenario.duration_ms));
    const real_ms = performance.now() - began_ms;
    const speed = result.played_ms / real_ms;
    endProgress(call);
    const saved = result.violation === null ? null : await saveFailure(result, flags);
    call.output.lines(
      [
        ...timelineLines(result),
        "",
        ...summaryLines(result),
        `speed        ${speed.toFixed(1)} virtual seconds a real second (${(real_ms / 1_000).toFixed(1)} s)`,
        ...(saved === null ? [] : ["", ...brokenLines(result, saved)]),
      ],
      { ...result, virtualSecondsPerSecond: speed, saved },
    );
    if (saved === null) return 0;
    if (flags.shrink) await makeSmaller(call, result, saved, Math.max(shrinkLeast_ms, real_ms));
    return brokenExit;
  },
});

async function scenarioOf(flags: Flags): Promise<Scenario> {
  if (flags.scenario !== undefined) return await scenarioFrom(flags.scenario, flags);
  const { drawScenario } = await import("../simulation/drawn-scenario.ts");
  const { profile, duration: duration_ms } = flags;
  return drawScenario({
    seed: flags.seed ?? defaults.seed,
    nodes: flags.nodes ?? defaults.nodes,
    regions: flags.regions ?? "one",
    ...(profile !== undefined && { profile }),
    ...(duration_ms !== undefined && { duration_ms }),
    faults: flags.faults ?? faultNames,
    loss: (flags.loss ?? 0) / 100,
    agents: flags.agents ?? defaults.agents,
    messages: flags.messages ?? defaults.messages,
  });
}

async function scenarioFrom(file: string, flags: Flags): Promise<Scenario> {
  const { parseScenario } = await import("../simulation/scenario-file.ts");
  let text: string;
  try {
    text = readBoundedText(file, scenarioLimit_bytes);
  } catch (error) {
    throw new CaxtonError("invalid_argument", `Cannot read scenario ${quote(file)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  const scenario = parseScenario(text, file);
  return {
    ...scenario,
    seed: flags.seed ?? scenario.seed,
    nodes: flags.nodes ?? scenario.nodes,
    regions: flags.regions ?? scenario.regions,
    profile: flags.profile ?? scenario.profile,
    duration_ms: flags.duration ?? scenario.duration_ms,
    agents: flags.agents ?? scenario.agents,
    ...(flags.messages !== undefined && {
      messages: flags.messages / (flags.nodes ?? scenario.nodes),
    }),
    network: flags.loss === undefined ? scenario.network : { ...scenario.network, loss: flags.loss / 100 },
  };
}

/** One line that moves on a terminal; in a pipe a line each tenth of the run. */
function progressOf(
  { output }: Call,
  duration_ms: number,
): (progress: { now_ms: number; up: number; wrongViews: number }) => void {
  const { stderr } = output;
  let told = 0;
  return ({ now_ms, up, wrongViews }) => {
    const text = `${Math.round(now_ms / 1_000)} s of ${Math.round(duration_ms / 1_000)} s, ${up} nodes up, ${wrongViews} wrong views`;
    if (stderr.isTTY === true) {
      stderr.write(`\r${text}\u001b[K`);
      return;
    }
    const tenth = Math.floor((10 * now_ms) / duration_ms);
    if (tenth <= told) return;
    told = tenth;
    output.notice(text);
  };
}

/** As it was played: whoever does not wait for a smaller one has it. */
async function saveFailure(result: RunResult, flags: Flags): Promise<string> {
  const { formatScenario } = await import("../simulation/scenario-file.ts");
  const { checker } = result.violation ?? { checker: "" };
  const name = flags.save ?? `caxton-simulation-${checker}-seed${result.scenario.seed}.json`;
  writeFileSync(name, formatScenario(result.scenario));
  return name;
}

/** The file has the smallest scenario so far that breaks the same invariant. */
async function makeSmaller(call: Call, result: RunResult, saved: string, limit_ms: number): Promise<void> {
  const [{ shrink, runsLimit }, { runScenario }, { formatScenario }] = await Promise.all([
    import("../simulation/shrink.ts"),
    import("../simulation/run.ts"),
    import("../simulation/scenario-file.ts"),
  ]);
  const { output } = call;
  output.notice(`Looking for a smaller scenario, for ${Math.ceil(limit_ms / 1_000)} s at most`);
  const ends_ms = performance.now() + limit_ms;
  let told = sizeOf(result.scenario);
  const { scenario, runs } = await shrink(result, runScenario, {
    hasTime: () => performance.now() < ends_ms,
    tries: (run, best) => {
      const size = sizeOf(best);
      if (size !== told) writeFileSync(saved, formatScenario(best));
      if (output.stderr.isTTY === true) output.stderr.write(`\rtry ${run} of ${runsLimit}: ${size}\u001b[K`);
      else if (size !== told) output.notice(`${size} do`);
      told = size;
    },
  });
  endProgress(call);
  writeFileSync(saved, formatScenario(scenario));
  output.notice(`${saved} has ${sizeOf(scenario)}, after ${counted(runs, "run")}`);
}

function sizeOf({ nodes, faults, duration_ms }: Scenario): string {
  return `${counted(nodes, "node")} and ${counted(faults.length, "fault")} in ${formatDuration(duration_ms)}`;
}

function endProgress({ output }: Call): void {
  if (output.stderr.isTTY === true) output.stderr.write("\r\u001b[K");
}

function brokenLines({ violation, scenario }: RunResult, saved: string): string[] {
  if (violation === null) return [];
  return [
    `BROKEN ${violation.checker} at ${(violation.at_ms / 1_000).toFixed(3)} s: ${violation.detail}`,
    `seed ${scenario.seed}; replay with: caxton simulate --scenario ${saved}`,
  ];
}

function faultList(text: string): readonly FaultName[] {
  if (text === "all") return faultNames;
  if (text === "none") return [];
  const { parse } = choices(faultNames);
  return text.split(",").map(parse);
}

function percent(text: string): number {
  const value = Number(text.endsWith("%") ? text.slice(0, -1) : text);
  if (text.trim() !== "" && value >= 0 && value <= 100) return value;
  throw new CaxtonError("invalid_argument", `${quote(text)} is not a percentage from 0 to 100`);
}
