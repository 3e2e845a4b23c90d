/**
 * A node as placement sees it, and what can be said of one alone: how full, how loaded, whether it can take
 * an agent at all. What nodes tell of themselves may be old or odd: it is clamped, never trusted.
 */
import type { NodeId } from "../base/ids.ts";

export interface Candidate {
  readonly id: NodeId;
  readonly status: "alive" | "suspect" | "failed" | "left";
  /** The leader hears it, and gives it a lease; false keeps agents away. */
  readonly healthy: boolean;
  /** Agents on it, those just placed and not yet announced included. */
  readonly agents: number;
  readonly maxAgents: number;
  /** 0 to 100 of all cores. */
  readonly cpu_percent: number;
  /** 0 to 100 of the machine's. */
  readonly memory_percent: number;
  /** 0 to 100 of what its data directory lies on; left out where it is not known. */
  readonly disk_percent?: number;
  /** Messages to it under way at the node that chooses. */
  readonly connections?: number;
  /** Load, in points, of what was placed on it so lately that its figures do not show it. */
  readonly expected_points?: number;
  /** Its share under `weighted`, against the others' weights. */
  readonly weight: number;
  readonly services: readonly string[];
  readonly region: string;
  readonly zone: string;
}

/** The free share of its places, 0 to 1: `(max - active) / max`; 0 when it has none. */
export function capacityOf({ agents, maxAgents }: Pick<Candidate, "agents" | "maxAgents">): number {
  return maxAgents > 0 ? Math.max(0, (maxAgents - agents) / maxAgents) : 0;
}

/** 0 to 100: `0.4 cpu + 0.3 memory + 0.3 agents`, each in percent. */
export function loadOf(
  node: Pick<Candidate, "agents" | "maxAgents" | "cpu_percent" | "memory_percent" | "expected_points">,
): number {
  const agents_percent = 100 * (1 - capacityOf(node));
  const measured = 0.4 * percent(node.cpu_percent) + 0.3 * percent(node.memory_percent);
  return measured + 0.3 * agents_percent + (node.expected_points ?? 0);
}

/** At or above this share of processor, memory or disk a node is strained … */
const strained_percent = 95;
/** … if another one is better off by as much: where all are, that is no reason against one. A processor's share jumps about. */
const betterOff_points = { cpu_percent: 25, memory_percent: 5, disk_percent: 5 } as const;

/** Those that are not strained, or all of them when all are alike. */
export function unstrained(nodes: readonly Candidate[]): readonly Candidate[] {
  if (!nodes.some(hasStrain)) return nodes;
  let left = nodes;
  for (const figure of ["cpu_percent", "memory_percent", "disk_percent"] as const) {
    const least = Math.min(...left.map((node) => percent(node[figure] ?? 0)));
    const strained = (node: Candidate): boolean => {
      const value = percent(node[figure] ?? 0);
      return value >= strained_percent && value - least >= betterOff_points[figure];
    };
    if (left.some(strained)) left = left.filter((node) => !strained(node));
  }
  return left;
}

/** What is unknown may be anything. */
function hasStrain({ cpu_percent, memory_percent, disk_percent = 0 }: Candidate): boolean {
  return !(
    cpu_percent < strained_percent &&
    memory_percent < strained_percent &&
    disk_percent < strained_percent
  );
}

/** A node of weight 0 stands by: it takes agents only where no other can. */
export function isStandby({ weight }: Pick<Candidate, "weight">): boolean {
  return !(weight > 0);
}

/** What is unknown counts as full load, so that it attracts nothing. */
function percent(value: number): number {
  return Number.isNaN(value) ? 100 : Math.min(100, Math.max(0, value));
}

/** Why the node can take no agent at present, as the end of a sentence that begins with its name; null when it can. */
export function unavailability(node: Candidate): string | null {
  if (node.status !== "alive") return node.status === "left" ? "has left" : `is ${node.status}`;
  if (!node.healthy) return "has no lease (the leader does not hear it)";
  if (node.maxAgents === 0)
    return "takes no agents (it is leaving, isolated or a witness, or its node.max_agents is 0)";
  if (!(node.agents < node.maxAgents)) return `is full (${node.agents} of ${node.maxAgents} agents)`;
  return null;
}
