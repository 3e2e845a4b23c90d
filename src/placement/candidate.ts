/**
 * A node as placement sees it, and what can be said of one alone: how full, how loaded, whether it can take
 * an agent at all. What nodes tell of themselves may be old or odd: it is clamped, never trusted.
 */
import type { NodeId } from "../base/ids.ts";

export interface Candidate {
  readonly id: NodeId;
  readonly status: "alive" | "suspect" | "failed" | "left";
  /** Whether it said of itself that it is well; false keeps new agents away. */
  readonly healthy: boolean;
  /** Agents on it, those just placed and not yet announced included. */
  readonly agents: number;
  readonly maxAgents: number;
  /** 0 to 100 of all cores. */
  readonly cpu_percent: number;
  /** 0 to 100 of the machine's. */
  readonly memory_percent: number;
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
  node: Pick<Candidate, "agents" | "maxAgents" | "cpu_percent" | "memory_percent">,
): number {
  const agents_percent = 100 * (1 - capacityOf(node));
  return 0.4 * percent(node.cpu_percent) + 0.3 * percent(node.memory_percent) + 0.3 * agents_percent;
}

/** What is unknown counts as full load, so that it attracts nothing. */
function percent(value: number): number {
  return Number.isNaN(value) ? 100 : Math.min(100, Math.max(0, value));
}

/** Why the node can take no agent at present, as the end of a sentence that begins with its name; null when it can. */
export function unavailability(node: Candidate): string | null {
  if (node.status !== "alive") return node.status === "left" ? "has left" : `is ${node.status}`;
  if (!node.healthy) return "is not healthy";
  if (!(node.agents < node.maxAgents)) return `is full (${node.agents} of ${node.maxAgents} agents)`;
  return null;
}
