/**
 * What could be better in the cluster, each suggestion with the figure that it is drawn from. A table of rules over what
 * was measured; what was not measured yet is listed as such, and nothing is concluded from it.
 */
import type { Analysis, Suggestion } from "../../api/operator-service.ts";
import type { Member } from "../../cluster/membership.ts";
import type { MeasuredPerformance } from "../cluster-service.ts";

/** The documents' targets, and shares above which there is no headroom: they ask for 20 %. */
const gossipRoundTrip_ms_max = 5;
const convergence_ms_max = 5_000;
const remote_ms_max = 50;
const routing_ms_max = 1;
const startup_ms_max = 100;
const cpu_percent_max = 80;
const memory_percent_max = 80;
const places_percent_max = 80;
/** Between the fullest and the emptiest node, in percent of their places. */
const uneven_percent_max = 25;
/** Of Lifeguard's 7: this node hears and answers late. */
const localHealth_max = 2;

export interface AnalysisFacts {
  readonly measured: MeasuredPerformance;
  readonly members: readonly Member[];
  readonly localHealth: number;
  readonly voters: number;
  readonly queuedWrites: number;
  /** The member that is furthest away by its coordinates; null while too little is known. */
  readonly furthest: { readonly node: string; readonly estimate_ms: number } | null;
}

interface Limit {
  readonly topic: string;
  readonly value: number | undefined;
  readonly most: number;
  readonly unit: string;
  readonly suggestion: string;
}

export function analyze(facts: AnalysisFacts): Analysis {
  const limits = limitsOf(facts);
  const missing = limits.filter(({ value }) => value === undefined).map(({ topic }) => topic);
  const exceeded = limits.flatMap((limit) => exceededBy(limit) ?? []);
  const other = [...ofNodes(facts), ...ofCluster(facts)];
  const looked = limits.length - missing.length + facts.members.length + 2;
  return { suggestions: [...exceeded, ...other], looked, missing };
}

function limitsOf({ measured, furthest, localHealth }: AnalysisFacts): Limit[] {
  const far =
    furthest === null ? "" : `; the furthest is ${furthest.node}, ${figure(furthest.estimate_ms)}ms away`;
  return [
    {
      topic: "High gossip latency",
      value: measured.gossipRoundTrip_p50_ms,
      most: gossipRoundTrip_ms_max,
      unit: "ms",
      suggestion: `Reduce gossip_fanout${far}`,
    },
    {
      topic: "Slow convergence",
      value: measured.convergence_ms,
      most: convergence_ms_max,
      unit: "ms",
      suggestion: "Decrease gossip_interval",
    },
    {
      topic: "Message delays",
      value: measured.remote_p99_ms,
      most: remote_ms_max,
      unit: "ms",
      suggestion: `Check network latency between nodes: caxton cluster ping NODE${far}`,
    },
    {
      topic: "Slow message routing",
      value: measured.routing_p99_ms,
      most: routing_ms_max,
      unit: "ms",
      suggestion: "Move agents to other nodes, or add one: caxton cluster add-node",
    },
    {
      topic: "Slow agent startup",
      value: measured.startup_p99_ms,
      most: startup_ms_max,
      unit: "ms",
      suggestion: "Look at the processor load of the nodes: caxton resources",
    },
    {
      topic: "Late answers to probes",
      value: localHealth,
      most: localHealth_max,
      unit: " of 7",
      suggestion: "This node is short of processor time or loses packets: caxton resources",
    },
  ];
}

function exceededBy({ topic, value, most, unit, suggestion }: Limit): Suggestion | null {
  if (value === undefined || value <= most) return null;
  return { topic, measured: `${figure(value)}${unit}`, expected: `at most ${most}${unit}`, suggestion };
}

function ofNodes({ members }: AnalysisFacts): Suggestion[] {
  const alive = members.filter(({ status }) => status === "alive");
  const of = (
    topic: string,
    most: number,
    suggestion: string,
    share: (member: Member) => number,
  ): Suggestion[] =>
    alive
      .filter((member) => share(member) > most)
      .map((member) => ({
        topic: `${topic} at ${member.id}`,
        measured: `${figure(share(member))}%`,
        expected: `at most ${most}%`,
        suggestion,
      }));
  return [
    ...of(
      "High processor load",
      cpu_percent_max,
      "caxton cluster rebalance --strategy least-loaded, or add a node",
      ({ load }) => load.cpu_percent,
    ),
    ...of(
      "Little memory left",
      memory_percent_max,
      "Suspend agents or move them, or add a node",
      ({ load }) => load.memory_percent,
    ),
    ...of("Few places left", places_percent_max, "Add a node, or raise node.max_agents", places_percent),
  ];
}

function ofCluster({ members, voters, queuedWrites }: AnalysisFacts): Suggestion[] {
  const found: Suggestion[] = [];
  const add = (topic: string, measured: string, expected: string, suggestion: string): void =>
    void found.push({ topic, measured, expected, suggestion });
  const lost = members.filter(({ status }) => status === "failed").map(({ id }) => id);
  if (lost.length > 0) {
    const names = lost.join(", ");
    const gone = "Bring them back; or, if they are gone for good: caxton cluster remove --node N --force";
    add("Nodes are lost", `${lost.length} (${names})`, "0", gone);
  }
  const hosts = members.filter(({ status, tags }) => status === "alive" && tags.maxAgents > 0);
  const shares = hosts.map(places_percent);
  const gap = shares.length > 1 ? Math.max(...shares) - Math.min(...shares) : 0;
  if (gap > uneven_percent_max) {
    const most = `at most ${uneven_percent_max}% between two nodes`;
    add("Uneven agents", `${figure(gap)}%`, most, "caxton cluster rebalance --strategy even-distribution");
  }
  if (voters < 3 && members.length > 1) {
    const third = "With fewer than 3 voters no node may be lost: add a node";
    add("Few voters", String(voters), "3, 5 or 7", third);
  }
  if (queuedWrites > 0)
    add(
      "Writes wait",
      String(queuedWrites),
      "0",
      "They wait for a majority: caxton cluster detect-partition",
    );
  return found;
}

function places_percent({ load, tags }: Member): number {
  return tags.maxAgents === 0 ? 0 : (100 * load.agents) / tags.maxAgents;
}

function figure(value: number): string {
  return String(Number(value.toFixed(value < 10 ? 2 : 0)));
}
