/**
 * Placement strategies as a table: each picks one of the nodes that can take an agent. A new one is a name
 * in `placementStrategies` and an entry here; the compiler asks for it.
 */
import { assert, present } from "../base/assert.ts";
import type { NodeId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import { placementStrategies, type PlacementStrategy } from "../wire/agent-spec.ts";
import { hashText } from "../base/hash-text.ts";
import { loadOf, type Candidate } from "./candidate.ts";

/** What a placement leaves for the next one. Kept by who places; a value, never changed in place. */
export interface PlacementState {
  /** The last node that round-robin chose: its successor by id is next, whoever came or went meanwhile. */
  readonly last: NodeId | null;
  /** How many it has placed. */
  readonly round_robin_index: number;
}

export const initialPlacementState: PlacementState = { last: null, round_robin_index: 0 };

interface Pick {
  readonly node: Candidate;
  /** For people: `load 12.5, the lowest of 3 nodes`. */
  readonly why: string;
  readonly state: PlacementState;
}

/** What is placed: a name that stays, and its messages a second with agents on each node. */
export interface Placing {
  readonly key?: string;
  readonly traffic?: ReadonlyMap<NodeId, number> | undefined;
}

/** `available` is not empty, and in any order. */
type Strategy = (
  available: readonly Candidate[],
  placing: Placing,
  state: PlacementState,
  prng: Prng,
) => Pick;

const strategies: Readonly<Record<PlacementStrategy, Strategy>> = {
  round_robin: (available, _placing, state) => {
    const node = successor(available, state.last);
    const why = state.last === null ? "the first by id" : `next after "${state.last}"`;
    return { node, why, state: { last: node.id, round_robin_index: state.round_robin_index + 1 } };
  },

  least_loaded: (available, _placing, state, prng) => {
    const node = least(available, loadOf, prng);
    return { node, why: `load ${loadOf(node).toFixed(1)}, the lowest of ${nodes(available)}`, state };
  },

  least_agents: (available, _placing, state, prng) => {
    const node = least(available, ({ agents }) => agents, prng);
    return { node, why: `${node.agents} agents, the fewest of ${nodes(available)}`, state };
  },

  random: (available, _placing, state, prng) => {
    const node = present(prng.pick(available), "an available node");
    return { node, why: `by chance among ${nodes(available)}`, state };
  },

  weighted: (available, placing, state, prng) => {
    const total = available.reduce((sum, node) => sum + weightOf(node), 0);
    if (total === 0) return strategies.random(available, placing, state, prng);
    let rest = prng.float() * total;
    // Rounding may leave a trace of `rest` after the last one: then it is the last that has a weight.
    let chosen: Candidate | undefined;
    for (const node of available) {
      if (weightOf(node) === 0) continue;
      chosen = node;
      rest -= weightOf(node);
      if (rest < 0) break;
    }
    const node = present(chosen, "a node with a weight");
    return { node, why: `by chance with weight ${node.weight} of ${total} among ${nodes(available)}`, state };
  },

  least_connections: (available, _placing, state, prng) => {
    const node = least(available, connectionsOf, prng);
    return {
      node,
      why: `${connectionsOf(node)} messages under way, the fewest of ${nodes(available)}`,
      state,
    };
  },

  // Rendezvous hashing: when a node goes, only what was there goes elsewhere.
  ip_hash: (available, { key = "" }, state, prng) => {
    const seed = hashText(key);
    const node = least(available, ({ id }) => -hashText(id, seed), prng);
    return { node, why: `the hash of "${key}" among ${nodes(available)}`, state };
  },

  even_distribution: (available, _placing, state, prng) => {
    const node = least(available, (each) => (each.agents + 1) / each.maxAgents, prng);
    const taken = `${node.agents} of ${node.maxAgents} places taken`;
    return { node, why: `${taken}, the smallest share of ${nodes(available)}`, state };
  },

  locality: (available, placing, state, prng) => {
    const rateOf = ({ id }: Candidate): number => placing.traffic?.get(id) ?? 0;
    const chatty = available.filter((node) => rateOf(node) > 0);
    if (chatty.length === 0) {
      const pick = strategies.least_loaded(available, placing, state, prng);
      return { ...pick, why: `no messages measured yet; ${pick.why}` };
    }
    const node = least(chatty, (each) => -rateOf(each), prng);
    return { node, why: `${rateOf(node).toFixed(1)} messages a second with agents there`, state };
  },
};

/** One of `available`, which must not be empty. */
export function pickBy(
  strategy: PlacementStrategy,
  available: readonly Candidate[],
  placing: Placing,
  state: PlacementState,
  prng: Prng,
): Pick {
  assert(available.length > 0, "a strategy chooses among at least one node");
  return strategies[strategy](available, placing, state, prng);
}

/** `least-loaded` and `least_loaded` alike; null for an unknown name. */
export function parsePlacementStrategy(text: string): PlacementStrategy | null {
  const canonical = text.toLowerCase().replaceAll("-", "_");
  return placementStrategies.find((name) => name === canonical) ?? null;
}

/** The node with the smallest id after `last`, or else with the smallest of all. */
function successor(available: readonly Candidate[], last: NodeId | null): Candidate {
  let first: Candidate | undefined;
  let next: Candidate | undefined;
  for (const node of available) {
    if (first === undefined || node.id < first.id) first = node;
    if (last !== null && node.id > last && (next === undefined || node.id < next.id)) next = node;
  }
  return present(next ?? first, "an available node");
}

/** The node with the smallest measure; by chance among equals, so that equals fill evenly. */
function least(available: readonly Candidate[], measure: (node: Candidate) => number, prng: Prng): Candidate {
  let lowest = Number.POSITIVE_INFINITY;
  let first: Candidate | undefined;
  let equals: Candidate[] | undefined;
  for (const node of available) {
    const value = measure(node);
    if (value > lowest) continue;
    if (value === lowest && first !== undefined) (equals ??= [first]).push(node);
    else {
      first = node;
      equals = undefined;
    }
    lowest = value;
  }
  return present(equals === undefined ? first : prng.pick(equals), "a node with the lowest measure");
}

function connectionsOf({ connections = 0 }: Candidate): number {
  return connections;
}

function weightOf({ weight }: Candidate): number {
  return Number.isFinite(weight) && weight > 0 ? weight : 0;
}

function nodes(available: readonly Candidate[]): string {
  return available.length === 1 ? "1 node" : `${available.length} nodes`;
}
