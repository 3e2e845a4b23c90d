/** What an agent is, as it was deployed: kept in the store, sent between nodes, spread (in short) by the directory. */
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import type { Priority } from "./message.ts";

export const durabilities = ["volatile", "local", "replicated"] as const;
export type Durability = (typeof durabilities)[number];

export const placementStrategies = [
  "round_robin",
  "least_loaded",
  "least_agents",
  "random",
  "weighted",
  "least_connections",
  "ip_hash",
  "even_distribution",
  "locality",
] as const;
export type PlacementStrategy = (typeof placementStrategies)[number];

/** The functions an agent may import; an import outside its granted set is refused at deploy. */
export const capabilities = ["log", "send", "time", "random", "timer", "state"] as const;
export type Capability = (typeof capabilities)[number];

export const onNodeLosses = ["restart", "wait"] as const;
export type OnNodeLoss = (typeof onNodeLosses)[number];

export const partitionBehaviours = ["park", "continue"] as const;
export type PartitionBehaviour = (typeof partitionBehaviours)[number];

export interface AgentLimits {
  /** Linear memory, bytes. */
  readonly memory_bytes: number;
  /** Fuel for one call of a handler. */
  readonly fuel: number;
  /** Inbox bounds. */
  readonly inbox_messages: number;
  readonly inbox_bytes: number;
}

/**
 * The most that an agent may be given: the same for the configuration, a deployment and what the cluster keeps. Fuel is
 * a signed 32-bit counter in the module, memory has 32-bit addresses.
 */
export const agentMost = {
  memory_bytes: 4 * 1024 ** 3,
  fuel: 2_147_483_647,
  inbox_messages: 10_000_000,
  inbox_bytes: 4 * 1024 ** 3,
} as const satisfies AgentLimits;

export interface AgentSpec {
  readonly name: AgentName;
  readonly module: ModuleHash;
  /** Rises by one with each deploy of the same name. */
  readonly revision: number;
  /** Ownership epoch: the highest wins, wherever two nodes claim one agent. */
  readonly epoch: number;
  readonly durability: Durability;
  readonly priority: Priority;
  readonly capabilities: readonly Capability[];
  readonly limits: AgentLimits;
  /** After a trap: restart at once up to `maxRestarts` times a minute, else fail. */
  readonly restart: { readonly policy: "restart" | "fail"; readonly maxRestarts: number };
  readonly placement: {
    readonly strategy: PlacementStrategy;
    readonly preferNodes: readonly NodeId[];
    readonly targetNode: NodeId | null;
    /** A node with all of these, in this region and zone, where not null. */
    readonly services: readonly string[];
    readonly region: string | null;
    readonly zone: string | null;
  };
  /** Its node is lost: start elsewhere with what is known there, or wait for the node. */
  readonly onNodeLoss: OnNodeLoss;
  /** Its node is cut off from the majority: stop there and perhaps start elsewhere, or go on there and nowhere else. */
  readonly partition: PartitionBehaviour;
  /** A partition's policy may look for such ones, and let them alone go on (see `partition`). */
  readonly critical: boolean;
  /** It is one of several under a common name; left out of an agent that is alone. */
  readonly instance?: Instance | undefined;
  readonly deployedAt_ms: number;
  readonly deployedBy: string;
}

export interface Instance {
  readonly of: AgentName;
  /** From 1. */
  readonly index: number;
  readonly count: number;
}

/** Instances under one name. */
export const instancesLimit = 100;

/** `running` takes messages; `suspended` keeps mail unhandled; `failed` gave up restarting. */
export const agentStatuses = ["starting", "running", "suspended", "failed"] as const;
export type AgentStatus = (typeof agentStatuses)[number];
/**
 * As people see it. `orphaned`: its node is failed or left. `parked`: its node, which is the one that says so, has no
 * lease, so that the agent begins nothing, and may run elsewhere already.
 */
export const shownStatuses = [...agentStatuses, "orphaned", "parked"] as const;
export type ShownStatus = (typeof shownStatuses)[number];
