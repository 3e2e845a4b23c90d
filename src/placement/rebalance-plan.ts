/**
 * Which agents to move so that nodes carry their fair part: as few moves as do it, at most as many as allowed, and
 * none that only shifts the trouble. Pure; whoever moves them proposes each move and does it live.
 */
import { present } from "../base/assert.ts";
import type { AgentName, NodeId } from "../base/ids.ts";
import { capacityOf, loadOf, type Candidate } from "./candidate.ts";
import { Siblings } from "./siblings.ts";

export const rebalanceStrategies = ["even_distribution", "least_loaded", "locality"] as const;
export type RebalanceStrategy = (typeof rebalanceStrategies)[number];

/** An agent that may move. What is bound to its node is not given here. */
export interface MovableAgent {
  readonly agent: AgentName;
  readonly node: NodeId;
  /** The name that it is an instance of, where it is one: no two go to one node while another has none. */
  readonly group?: AgentName | null;
  /** Where it may be, null for everywhere: services, region and zone that it asked for. */
  readonly allowed: ReadonlySet<NodeId> | null;
  /** Messages a second with agents on each node, its own node's too. */
  readonly traffic: ReadonlyMap<NodeId, number>;
}

export interface Move {
  readonly agent: AgentName;
  readonly from: NodeId;
  readonly to: NodeId;
  /** For people, with the figures it is drawn from. */
  readonly why: string;
}

/** Loads closer together than this, in points of 100, are even: moving costs more than it gains. */
const evenLoad_points = 5;
/** An agent follows its partners when at least this share of its traffic is at one other node … */
const localShare = 0.6;
/** … and there is enough of it to matter, in messages a second. */
const localTraffic = 1;

export function planRebalance(
  strategy: RebalanceStrategy,
  agents: readonly MovableAgent[],
  candidates: readonly Candidate[],
  moveLimit: number,
): readonly Move[] {
  const nodes = candidates
    .filter(({ status, healthy }) => status === "alive" && healthy)
    .map((candidate) => ({ ...candidate }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const known = new Set(nodes.map(({ id }) => id));
  const plan = new Plan(
    nodes,
    agents.filter(({ node }) => known.has(node)),
    moveLimit,
  );
  setApart(plan);
  strategies[strategy](plan);
  return plan.moves;
}

type Node = { -readonly [Key in keyof Candidate]: Candidate[Key] };

class Plan {
  readonly nodes: readonly Node[];
  readonly moves: Move[] = [];
  readonly #limit: number;
  readonly #byId: ReadonlyMap<NodeId, Node>;
  /** Agents that have not moved yet, by node, in order of their names. */
  readonly #movable = new Map<NodeId, MovableAgent[]>();
  readonly #siblings: Siblings;

  constructor(nodes: readonly Node[], agents: readonly MovableAgent[], limit: number) {
    this.nodes = nodes;
    this.#limit = limit;
    this.#byId = new Map(nodes.map((node) => [node.id, node]));
    this.#siblings = new Siblings(agents.map(({ group = null, node }) => ({ group, node })));
    for (const { id } of nodes) this.#movable.set(id, []);
    for (const agent of agents.toSorted((a, b) => (a.agent < b.agent ? -1 : 1)))
      present(this.#movable.get(agent.node), "a known node").push(agent);
  }

  get full(): boolean {
    return this.moves.length >= this.#limit;
  }

  agentsOf(node: Node): readonly MovableAgent[] {
    return this.#movable.get(node.id) ?? [];
  }

  node(id: NodeId): Node | undefined {
    return this.#byId.get(id);
  }

  instances({ group = null }: MovableAgent, node: Node): number {
    return this.#siblings.on(group, node.id);
  }

  /** It fits there, and has no more siblings there than where it is. */
  mayGo(agent: MovableAgent, to: Node): boolean {
    const { group = null, allowed, node } = agent;
    if (allowed !== null && !allowed.has(to.id)) return false;
    return group === null || this.instances(agent, to) < this.#siblings.on(group, node);
  }

  move(agent: MovableAgent, to: Node, why: string): void {
    const from = present(this.#byId.get(agent.node), "a known node");
    const here = present(this.#movable.get(from.id), "a known node");
    here.splice(here.indexOf(agent), 1);
    from.agents -= 1;
    to.agents += 1;
    this.#siblings.moved(agent.group ?? null, from.id, to.id);
    this.moves.push({ agent: agent.agent, from: from.id, to: to.id, why });
  }
}

const strategies: Readonly<Record<RebalanceStrategy, (plan: Plan) => void>> = {
  even_distribution: spreadEvenly,
  least_loaded: relieveTheLoaded,
  locality: bringTogether,
};

/** Instances of one name that share a node go to nodes with fewer of them, the emptiest first. */
function setApart(plan: Plan): void {
  for (const from of plan.nodes) {
    for (const agent of [...plan.agentsOf(from)]) {
      if (plan.full) return;
      const here = plan.instances(agent, from);
      if (here < 2) continue;
      const [to] = plan.nodes
        .filter((node) => node.agents < node.maxAgents && plan.mayGo(agent, node))
        .filter((node) => plan.instances(agent, node) < here - 1)
        .toSorted(
          (a, b) => plan.instances(agent, a) - plan.instances(agent, b) || capacityOf(b) - capacityOf(a),
        );
      if (to !== undefined)
        plan.move(agent, to, `${here} instances of "${agent.group ?? ""}" are on ${from.id}`);
    }
  }
}

/** Every node the same share of its places; nobody is moved between nodes that differ by no whole agent. */
function spreadEvenly(plan: Plan): void {
  const share = (node: Node, more: number): number =>
    node.maxAgents > 0 ? (node.agents + more) / node.maxAgents : Number.POSITIVE_INFINITY;
  while (!plan.full) {
    const step = nextStep(plan, {
      height: (from) => share(from, 0),
      reached: (to) => share(to, 1),
      worthIt: (from, to) => share(from, 0) > share(to, 1),
    });
    if (step === null) return;
    const { agent, from, to } = step;
    const why = `${percent(share(from, 0))} of its places are taken, of ${to.id}'s ${percent(share(to, 0))}`;
    plan.move(agent, to, why);
  }
}

/** From the most loaded to the least, until they are even; an agent is taken to be its part of its node's load. */
function relieveTheLoaded(plan: Plan): void {
  const loads = new Map(plan.nodes.map((node) => [node.id, loadOf(node)]));
  const parts = new Map(
    plan.nodes.map((node) => [node.id, node.agents > 0 ? loadOf(node) / node.agents : 0]),
  );
  const load = ({ id }: Node): number => loads.get(id) ?? 0;
  const part = ({ id }: Node): number => parts.get(id) ?? 0;
  while (!plan.full) {
    const step = nextStep(plan, {
      height: load,
      reached: load,
      worthIt: (from, to) =>
        part(from) > 0 && load(from) - load(to) > Math.max(evenLoad_points, 2 * part(from)),
    });
    if (step === null) return;
    const { agent, from, to } = step;
    const why = `load ${load(from).toFixed(1)}, that of ${to.id} ${load(to).toFixed(1)}`;
    loads.set(from.id, load(from) - part(from));
    loads.set(to.id, load(to) + part(from));
    plan.move(agent, to, why);
  }
}

interface Slope {
  /** How full a node is that may give … */
  readonly height: (from: Node) => number;
  /** … and how full one would be that takes. */
  readonly reached: (to: Node) => number;
  readonly worthIt: (from: Node, to: Node) => boolean;
}

interface Step {
  readonly agent: MovableAgent;
  readonly from: Node;
  readonly to: Node;
}

/** From the highest node that has an agent to give, to the lowest that may take it; by id among equals. */
function nextStep(plan: Plan, slope: Slope): Step | null {
  const [from, to] = ends(plan, slope);
  if (from === undefined || to === undefined) return null;
  // Mostly these two can: then nothing has to be sorted.
  if (!slope.worthIt(from, to)) return anyStep(plan, slope);
  const agent = plan.agentsOf(from).find((each) => plan.mayGo(each, to));
  return agent === undefined ? anyStep(plan, slope) : { agent, from, to };
}

/** The highest that has an agent to give, and the lowest that has room. */
function ends(plan: Plan, { height, reached }: Slope): readonly [Node | undefined, Node | undefined] {
  let from: Node | undefined;
  let to: Node | undefined;
  let highest = Number.NEGATIVE_INFINITY;
  let lowest = Number.POSITIVE_INFINITY;
  for (const node of plan.nodes) {
    const up = height(node);
    const down = reached(node);
    if (up > highest && plan.agentsOf(node).length > 0) [from, highest] = [node, up];
    if (down < lowest && node.agents < node.maxAgents) [to, lowest] = [node, down];
  }
  return [from, to];
}

/** Some agents may not go where there is most room. */
function anyStep(plan: Plan, { height, reached, worthIt }: Slope): Step | null {
  const givers = plan.nodes.toSorted((a, b) => height(b) - height(a));
  const takers = plan.nodes.toSorted((a, b) => reached(a) - reached(b));
  for (const from of givers) {
    if (plan.agentsOf(from).length === 0) continue;
    for (const to of takers) {
      if (to.agents >= to.maxAgents || !worthIt(from, to)) continue;
      const agent = plan.agentsOf(from).find((each) => plan.mayGo(each, to));
      if (agent !== undefined) return { agent, from, to };
    }
  }
  return null;
}

/** Each agent to the node with most of its traffic, the chattiest first; its partners count where they are now. */
function bringTogether(plan: Plan): void {
  const wishes = plan.nodes
    .flatMap((from) => plan.agentsOf(from).map((agent) => ({ agent, wish: wishOf(agent, plan) })))
    .filter(({ wish }) => wish !== null)
    .toSorted((a, b) => (b.wish?.gain ?? 0) - (a.wish?.gain ?? 0));
  const moved = new Set<NodeId>();
  for (const { agent, wish } of wishes) {
    if (plan.full) return;
    // Two partners that each follow the other would only change places: what left a node makes it wait for the next plan.
    if (wish === null || moved.has(wish.to.id) || wish.to.agents >= wish.to.maxAgents) continue;
    // A sibling may have gone there before it.
    if (!plan.mayGo(agent, wish.to)) continue;
    moved.add(agent.node);
    plan.move(agent, wish.to, wish.why);
  }
}

interface Wish {
  readonly to: Node;
  /** Messages a second that no longer leave their node. */
  readonly gain: number;
  readonly why: string;
}

function wishOf(agent: MovableAgent, plan: Plan): Wish | null {
  const total = [...agent.traffic.values()].reduce((sum, rate) => sum + rate, 0);
  const here = agent.traffic.get(agent.node) ?? 0;
  let wish: Wish | null = null;
  for (const [id, rate] of agent.traffic) {
    const to = plan.node(id);
    if (to === undefined || id === agent.node || !plan.mayGo(agent, to)) continue;
    if (rate < localTraffic || rate < localShare * total || rate - here <= (wish?.gain ?? 0)) continue;
    const why = `${percent(rate / total)} of its ${total.toFixed(1)} messages a second are with agents on ${id}`;
    wish = { to, gain: rate - here, why };
  }
  return wish;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
