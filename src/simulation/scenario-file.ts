/** Scenarios as JSON that people write and read: durations as `20s`, nodes as `n1-n9` or `region:tokyo`. */
import * as v from "valibot";
import { formatDuration, parseDuration } from "../base/durations.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import { timingProfiles } from "../swim/timing.ts";
import {
  durationLimit_ms,
  type Fault,
  faultsLimit,
  nodesLimit,
  perfectNetwork,
  regionPlans,
  type Scenario,
} from "./scenario.ts";

const whole = (low: number, high: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(low), v.maxValue(high));
const probability = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const milliseconds = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      const negative = dataset.value.startsWith("-");
      const duration_ms = parseDuration(negative ? dataset.value.slice(1) : dataset.value);
      return negative ? -duration_ms : duration_ms;
    } catch (error) {
      addIssue({ message: reasonOf(error) });
      return NEVER;
    }
  }),
);
const duration = v.pipe(milliseconds, v.minValue(0), v.maxValue(durationLimit_ms));
const nodeSet = v.pipe(v.string(), v.maxLength(20_000));
const common = { at: duration, for: v.optional(duration), nodes: nodeSet };

const faultSchema = v.variant("fault", [
  v.strictObject({
    fault: v.literal("crash"),
    ...common,
    silent: v.optional(v.boolean()),
    certified: v.optional(v.boolean()),
  }),
  v.strictObject({ fault: v.literal("leave"), ...common }),
  v.strictObject({ fault: v.literal("remove"), ...common, by: nodeSet }),
  v.strictObject({ fault: v.literal("pause"), ...common }),
  v.strictObject({ fault: v.literal("stall"), ...common }),
  v.strictObject({ fault: v.literal("slow"), ...common, cost: duration }),
  v.strictObject({ fault: v.literal("wedge"), ...common }),
  v.strictObject({ fault: v.literal("flap"), ...common }),
  v.strictObject({
    fault: v.literal("cut"),
    ...common,
    peers: v.optional(nodeSet),
    one_way: v.optional(v.boolean()),
  }),
  v.strictObject({
    fault: v.literal("degrade"),
    ...common,
    peers: v.optional(nodeSet),
    loss: v.optional(probability),
    duplication: v.optional(probability),
    delay: v.optional(duration),
  }),
  v.strictObject({
    fault: v.literal("clock"),
    ...common,
    skew: v.optional(v.pipe(milliseconds, v.minValue(-durationLimit_ms), v.maxValue(durationLimit_ms))),
    drift: v.optional(v.pipe(v.number(), v.minValue(0.5), v.maxValue(2))),
  }),
  v.strictObject({ fault: v.literal("deploy"), ...common, count: whole(1, 10_000) }),
  v.strictObject({ fault: v.literal("retire"), ...common, count: whole(1, 10_000) }),
  v.strictObject({ fault: v.literal("disk"), ...common, errors: v.optional(v.boolean()) }),
  v.strictObject({ fault: v.literal("replay"), at: duration, count: whole(1, 100_000) }),
  v.strictObject({ fault: v.literal("lie"), ...common, about: nodeSet, step: whole(1, 2 ** 32 - 1) }),
]);
type FaultText = v.InferOutput<typeof faultSchema>;

const schema = v.strictObject({
  seed: whole(0, 2 ** 32 - 1),
  nodes: whole(1, nodesLimit),
  regions: v.optional(v.picklist(regionPlans), "one"),
  profile: v.optional(v.picklist(timingProfiles), "lan"),
  plain: v.optional(v.boolean()),
  duration,
  agents: v.optional(whole(0, 10_000), 0),
  messages: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1_000))),
  network: v.optional(
    v.strictObject({
      loss: v.optional(probability, 0),
      duplication: v.optional(probability, 0),
      reordering: v.optional(probability, 0),
      corruption: v.optional(probability, 0),
    }),
    perfectNetwork,
  ),
  faults: v.pipe(v.array(faultSchema), v.maxLength(faultsLimit)),
});

/** Throws `CaxtonError("invalid_argument")` with the place of every mistake. `name` is the file's, for the text. */
export function parseScenario(text: string, name: string): Scenario {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CaxtonError("invalid_argument", `Scenario ${quote(name)} is not JSON: ${reasonOf(error)}`);
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success) {
    const mistakes = parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "scenario"}: ${issue.message}`);
    throw new CaxtonError("invalid_argument", `Scenario ${quote(name)}: ${mistakes.join("; ")}`);
  }
  const { duration: duration_ms, faults, plain, messages, ...rest } = parsed.output;
  const extra = { ...(plain === true && { plain }), ...(messages !== undefined && { messages }) };
  return { ...rest, ...extra, duration_ms, faults: faults.map(faultOf) };
}

/** What `parseScenario` reads back as the same scenario. */
export function formatScenario(scenario: Scenario): string {
  const { duration_ms, faults, plain, messages, ...rest } = scenario;
  const { seed, nodes, regions, profile, agents, network } = rest;
  const extra = { ...(plain === true && { plain }), ...(messages !== undefined && { messages }) };
  const duration = formatDuration(duration_ms);
  const head = { seed, nodes, regions, profile, ...extra, duration, agents, network };
  const lines = faults.map((fault) => `    ${JSON.stringify(textOf(fault))}`);
  const body = JSON.stringify(head, null, 2).slice(0, -2);
  return `${body},\n  "faults": [${lines.length > 0 ? `\n${lines.join(",\n")}\n  ` : ""}]\n}\n`;
}

function faultOf(text: FaultText): Fault {
  const { fault: kind, at: at_ms, ...rest } = text;
  const renamed: Record<string, unknown> = { kind, at_ms };
  for (const [key, value] of Object.entries(rest))
    if (value !== undefined) renamed[inside[key] ?? key] = value;
  return renamed as unknown as Fault;
}

function textOf(fault: Fault): Record<string, unknown> {
  const { at_ms, for_ms, kind, ...rest } = fault;
  const text: Record<string, unknown> = { at: formatDuration(at_ms) };
  if (for_ms !== undefined) text["for"] = formatDuration(for_ms);
  text["fault"] = kind;
  for (const [key, value] of Object.entries(rest)) {
    const name = outside[key] ?? key;
    text[name] = key.endsWith("_ms") ? signedDuration(value as number) : value;
  }
  return text;
}

/** Names in the file and in the program. */
const inside: Readonly<Record<string, string>> = {
  for: "for_ms",
  cost: "cost_ms",
  delay: "delay_ms",
  skew: "skew_ms",
  one_way: "oneWay",
};
const outside = Object.fromEntries(Object.entries(inside).map(([file, program]) => [program, file]));

function signedDuration(duration_ms: number): string {
  return duration_ms < 0 ? `-${formatDuration(-duration_ms)}` : formatDuration(duration_ms);
}
