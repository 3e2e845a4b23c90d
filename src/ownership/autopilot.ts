/**
 * Keeps the voters of the cluster as they should be: by the number of nodes 1 → 1, 2 → 1 and a learner, 3–4 →
 * 3, 5–6 → 5, from 7 on 5 or 7; two nodes and a witness → both and the witness. Everyone else learns. It decides one
 * step at a time, from what is so now and since when; who carries it out is the leader's driver.
 *
 * A step is taken only if the members after it have a majority that is alive and near the end of the log.
 */
import type { NodeId } from "../base/ids.ts";
import {
  majorityOf,
  type PilotChange,
  type PilotMember,
  type PilotNode,
  type PilotStep,
  type PilotView,
  votes,
} from "./autopilot-view.ts";
import { type Candidate, chooseVoters, crowding, votersFor } from "./voter-choice.ts";

export interface AutopilotTiming {
  /** A node is alive for so long before it votes. */
  readonly stable_ms: number;
  /** A voter is failed for so long before another takes its place. */
  readonly dead_ms: number;
  /** A node that left in order is expected back for so long: a restart is no reason to shrink. */
  readonly left_ms: number;
}

export const autopilotTiming: AutopilotTiming = { stable_ms: 3_000, dead_ms: 10_000, left_ms: 30_000 };

/** Learners that are added at once. */
const additions_max = 16;

interface Seen {
  presence: PilotNode["presence"];
  identity: number;
  since_ms: number;
}

/** What is known of one node at one moment. */
interface Standing extends PilotNode {
  readonly member: PilotMember | undefined;
  /** Alive for long enough to be relied on. */
  readonly stable: boolean;
  /** Failed, or gone, for long enough to be replaced. */
  readonly lost: boolean;
}

export class Autopilot {
  readonly #timing: AutopilotTiming;
  readonly #seen = new Map<NodeId, Seen>();
  /** Members of which gossip says nothing, since when. */
  readonly #unheard = new Map<NodeId, number>();

  constructor(timing: AutopilotTiming = autopilotTiming) {
    this.#timing = timing;
  }

  /** To be asked at every change and now and then; `now_ms` is the leader's monotonic clock. */
  step(view: PilotView, now_ms: number): PilotStep {
    this.#observe(view, now_ms);
    if (view.changing) return nothing("a change of members is under way");
    if (!view.members.some(({ node }) => node === view.self)) return nothing("the leader is on its way out");
    const standings = this.#standings(view, now_ms);
    return (
      leaderStep(view, standings) ??
      identityStep(view, standings) ??
      additionStep(standings) ??
      voterStep(view, standings) ??
      removalStep(view, standings) ??
      nothing("the members are as they should be")
    );
  }

  #observe({ nodes, members }: PilotView, now_ms: number): void {
    const present = new Set(nodes.map(({ node }) => node));
    for (const node of this.#unheard.keys()) {
      if (present.has(node) || !members.some((member) => member.node === node)) this.#unheard.delete(node);
    }
    for (const { node } of members) {
      if (present.has(node) || this.#unheard.has(node)) continue;
      // Whoever was there and is not listed any more was removed; of others this leader may just not have heard.
      this.#unheard.set(node, this.#seen.has(node) ? Number.NEGATIVE_INFINITY : now_ms);
    }
    for (const node of this.#seen.keys()) if (!present.has(node)) this.#seen.delete(node);
    for (const { node, presence, identity } of nodes) {
      const before = this.#seen.get(node);
      if (before?.presence === presence && before.identity === identity) continue;
      this.#seen.set(node, { presence, identity, since_ms: now_ms });
    }
  }

  #standings(view: PilotView, now_ms: number): readonly Standing[] {
    const members = new Map(view.members.map((member) => [member.node, member]));
    const standings = view.nodes.map((node) => this.#standing(node, members.get(node.node), now_ms));
    const known = new Set(view.nodes.map(({ node }) => node));
    const unknown = view.members.filter(({ node }) => !known.has(node));
    return [...standings, ...unknown.map((member) => this.#stranger(view, member, now_ms))];
  }

  #standing(node: PilotNode, member: PilotMember | undefined, now_ms: number): Standing {
    const for_ms = now_ms - (this.#seen.get(node.node)?.since_ms ?? now_ms);
    const { stable_ms, dead_ms, left_ms } = this.#timing;
    const stable = node.presence === "alive" && for_ms >= stable_ms;
    const lost =
      (node.presence === "failed" && for_ms >= dead_ms) || (node.presence === "gone" && for_ms >= left_ms);
    return { ...node, member, stable, lost };
  }

  /** A member without a word about it. The leader itself is never lost. */
  #stranger({ self }: PilotView, member: PilotMember, now_ms: number): Standing {
    const { node, role, identity } = member;
    const own = node === self;
    const lost = !own && now_ms - (this.#unheard.get(node) ?? now_ms) >= this.#timing.left_ms;
    const presence = own ? "alive" : "gone";
    // Where it is and what it may be is not known: for as long as it counts, it stays what it is.
    const may = role === "witness" ? "witness" : "voter";
    return { node, role: may, identity, presence, region: "", zone: "", member, stable: own, lost };
  }
}

/** A leader that is not to vote any more hands over first. */
function leaderStep(view: PilotView, standings: readonly Standing[]): PilotStep | null {
  const leader = standings.find(({ node }) => node === view.self);
  if (leader === undefined || leader.role === "voter") return null;
  const heir = standings.find(
    ({ node, role, stable, member }) =>
      node !== view.self && role === "voter" && stable && member?.role === "voter" && member.caughtUp,
  );
  if (heir === undefined) return null;
  return { kind: "transfer", to: heir.node, why: `${view.self} is to be a ${leader.role}` };
}

/** A node that lost its log is another participant: what stands for the old one can never vote again. */
function identityStep(view: PilotView, standings: readonly Standing[]): PilotStep | null {
  const changed = standings.find(
    ({ node, presence, identity, member }) =>
      node !== view.self && presence === "alive" && member !== undefined && member.identity !== identity,
  );
  if (changed === undefined) return null;
  const { node, identity, role } = changed;
  const why = `${node} began a new log`;
  const learner = role === "witness" ? null : ("learner" as const);
  const change = learner === null ? { node, role: null } : { node, role: learner, identity };
  return safeChange(view, standings, [change], why);
}

/** Every node that is alive gets the log; a witness takes part only where its vote is needed. */
function additionStep(standings: readonly Standing[]): PilotStep | null {
  const added = standings
    .filter(
      ({ presence, role, member }) => presence === "alive" && role !== "witness" && member === undefined,
    )
    .slice(0, additions_max);
  if (added.length === 0) return null;
  const changes = added.map(({ node, identity }) => ({ node, role: "learner" as const, identity }));
  return { kind: "change", changes, why: `${added.map(({ node }) => node).join(", ")} joined` };
}

/** Brings the voters to the right number, and the right ones; all that takes at once, so that no step is between. */
function voterStep(view: PilotView, standings: readonly Standing[]): PilotStep | null {
  const { voters: wanted, witness, nodes } = wantedVoters(view, standings);
  const changes: PilotChange[] = [];
  for (const standing of standings) {
    const { node, role, member, identity } = standing;
    if (node === witness?.node) {
      if (member === undefined) changes.push({ node, role: "witness", identity });
    } else if (wanted.has(node)) {
      if (member?.role !== "voter") changes.push({ node, role: "voter" });
    } else if (member?.role === "voter") changes.push({ node, role: demoted(standing) });
    // A witness's log has no data, and a data log is no witness's: both begin anew in the other role.
    else if (member?.role === "witness" || (member !== undefined && role === "witness")) {
      changes.push({ node, role: null });
    }
  }
  if (changes.length === 0) return null;
  const also = witness === undefined ? "" : ", and a witness";
  return safeChange(view, standings, changes, `${wanted.size} of ${nodes} nodes vote${also}`);
}

function demoted({ role, presence, lost }: Standing): "learner" | null {
  return role === "witness" || (presence === "gone" && lost) ? null : "learner";
}

interface WantedVoters {
  readonly voters: ReadonlySet<NodeId>;
  readonly witness: Standing | undefined;
  /** Nodes that may vote. */
  readonly nodes: number;
}

function wantedVoters(view: PilotView, standings: readonly Standing[]): WantedVoters {
  // Nodes that are away for a moment count: their return must not find another cluster.
  const nodes = standings.filter(
    ({ role, presence, lost }) => role === "voter" && !(presence === "gone" && lost),
  );
  const good = standings.filter((standing) => mayVote(view, standing));
  // A dead voter keeps its vote until another can have it: fewer voters would not survive more.
  const dead = nodes.filter(
    ({ node, member, lost, identity }) =>
      lost && node !== view.self && member?.role === "voter" && member.identity === identity,
  );
  const voting = view.members.filter(({ role }) => role === "voter").length;
  const witness = wantedWitness(standings);
  if (nodes.length === 2 && good.length + dead.length === 2 && (view.voters_max ?? 3) >= 3) {
    if (witness?.member?.role === "witness" || (witness?.stable === true && dead.length === 0)) {
      return { voters: new Set([...good, ...dead].map(({ node }) => node)), witness, nodes: 2 };
    }
  }
  const most = Math.max(1, votersFor(nodes.length, view.voters_max));
  const reachable = Math.min(most, good.length + dead.length);
  // It grows by whole steps: an even number survives no more than one less.
  const count = reachable % 2 === 0 && reachable > voting ? reachable - 1 : reachable;
  const kept = dead.slice(0, Math.max(0, count - good.length)).map(({ node }) => node);
  const voters = new Set([...chosen(view, good, count - kept.length), ...kept]);
  return { voters, witness: undefined, nodes: nodes.length };
}

/** The one that votes until another can take its place; else the first that could. */
function wantedWitness(standings: readonly Standing[]): Standing | undefined {
  const witnesses = standings.filter(
    ({ role, presence, lost }) => role === "witness" && !(presence === "gone" && lost),
  );
  const present = witnesses.find(({ member }) => member?.role === "witness");
  if (present !== undefined && !present.lost) return present;
  const others = witnesses.filter(({ stable, member }) => stable && member === undefined);
  return others.sort((a, b) => (a.node < b.node ? -1 : 1))[0] ?? present;
}

function mayVote(view: PilotView, { node, role, member, stable, lost, identity }: Standing): boolean {
  if (node === view.self) return true;
  if (role !== "voter" || member === undefined || member.role === "witness") return false;
  if (member.identity !== identity) return false;
  return member.role === "voter" ? !lost : stable && member.caughtUp;
}

function chosen(view: PilotView, good: readonly Standing[], count: number): readonly NodeId[] {
  const ranked = good.map(({ node, region, zone, member, stable }): Candidate => {
    const rank = node === view.self ? 0 : member?.role !== "voter" ? 3 : stable ? 1 : 2;
    return { node, region, zone, rank };
  });
  const best = chooseVoters(ranked, count);
  const current = good.filter(({ member }) => member?.role === "voter");
  // The right number in places as good: nobody is moved for the sake of it.
  if (current.length !== count) return best;
  const places = good.filter(({ node }) => best.includes(node));
  return crowding(places) < crowding(current) ? best : current.map(({ node }) => node);
}

/** Whoever left for good, or was removed by an operator, takes part no more. */
function removalStep(view: PilotView, standings: readonly Standing[]): PilotStep | null {
  const changes = standings
    .filter(({ member, presence, lost }) => member !== undefined && presence === "gone" && lost)
    .map(({ node }) => ({ node, role: null }));
  if (changes.length === 0) return null;
  return safeChange(view, standings, changes, `${changes.map(({ node }) => node).join(", ")} left`);
}

/**
 * The change, if a majority of the voters after it is there and near the end of the log. Data voters alone must be a
 * majority: a witness that would tip it goes with the change, and comes back beside two of them.
 */
function safeChange(
  view: PilotView,
  standings: readonly Standing[],
  wanted: readonly PilotChange[],
  why: string,
): PilotStep {
  const after = new Map(view.members.map((member) => [member.node, member.role]));
  for (const { node, role } of wanted) {
    if (role === null) after.delete(node);
    else after.set(node, role);
  }
  const changes = [...wanted];
  const witnesses = [...after].filter(([, role]) => role === "witness").map(([node]) => node);
  const data = [...after].filter(([, role]) => role === "voter").length;
  if (data <= witnesses.length) {
    for (const node of witnesses) {
      after.delete(node);
      changes.push({ node, role: null });
    }
  }
  const voters = [...after].filter(([, role]) => votes(role)).map(([node]) => node);
  const well = voters.filter((node) => isWell(view, standings, node)).length;
  if (well >= majorityOf(voters.length)) return { kind: "change", changes, why };
  return nothing(`${why}, but only ${well} of ${voters.length} voters would be well`);
}

function isWell(view: PilotView, standings: readonly Standing[], node: NodeId): boolean {
  if (node === view.self) return true;
  const standing = standings.find((known) => known.node === node);
  if (standing?.presence !== "alive") return false;
  // A witness that is new has nothing to catch up with.
  return standing.role === "witness" || standing.member?.caughtUp === true;
}

function nothing(why: string): PilotStep {
  return { kind: "nothing", why };
}
