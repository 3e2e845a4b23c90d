/**
 * Who decides where an agent belongs and under which epoch. `DirectoryOwnership` decides on the node
 * that deploys, from what the directory says: knowledge, not authority. Two nodes that deploy one new
 * name at the same moment both succeed, and the higher (epoch, node id) keeps it afterwards.
 */
import { CaxtonError } from "../base/errors.ts";
import { quote } from "../base/ids.ts";
import type { AgentName, NodeId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { DirectoryEntry, Member, Membership } from "../cluster/membership.ts";
import type { Candidate } from "../placement/candidate.ts";
import { choosePlacement } from "../placement/choose-placement.ts";
import { initialPlacementState, type PlacementState } from "../placement/strategies.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";

/** What a deployment may use: where, and as which revision of which epoch. */
export interface Claim {
  readonly node: NodeId;
  /** For people: why there. */
  readonly why: string;
  readonly epoch: number;
  readonly revision: number;
  /** Where it runs now, when that must be stopped first. */
  readonly movesFrom: NodeId | null;
  readonly created: boolean;
}

export interface Ownership {
  /** Throws `no_capacity`, `node_not_found`, or `unreachable` when its present node must be kept and cannot be asked. */
  claim(name: AgentName, placement: AgentSpec["placement"]): Promise<Claim>;
  /** The deployment has ended; `ok` when the agent runs there. */
  settled(name: AgentName, ok: boolean): void;
  /** The node that has the agent now. */
  ownerOf(name: AgentName): DirectoryEntry | undefined;
  /** Placements by round robin so far. */
  readonly roundRobinIndex: number;
}

export class DirectoryOwnership implements Ownership {
  readonly #membership: Membership;
  readonly #prng: Prng;
  #state: PlacementState = initialPlacementState;
  /** Placed and not yet seen in the directory. */
  readonly #placed = new Map<AgentName, NodeId>();

  constructor(membership: Membership, prng: Prng) {
    this.#membership = membership;
    this.#prng = prng;
  }

  get roundRobinIndex(): number {
    return this.#state.round_robin_index;
  }

  ownerOf(name: AgentName): DirectoryEntry | undefined {
    return this.#membership.locate(name);
  }

  async claim(name: AgentName, placement: AgentSpec["placement"]): Promise<Claim> {
    const present = this.#membership.locate(name);
    if (present !== undefined && (placement.targetNode === null || placement.targetNode === present.node)) {
      const status = this.#membership.member(present.node)?.status;
      if (status !== "alive" && status !== "suspect") {
        const where = `Agent ${quote(name)} belongs to node ${quote(present.node)}, which is ${status ?? "unknown"}`;
        throw new CaxtonError(
          "unreachable",
          `${where}; wait for it, or name another with --target-node (its state stays behind)`,
        );
      }
      const { node, epoch, revision } = present;
      return { node, why: "where it runs", epoch, revision: revision + 1, movesFrom: null, created: false };
    }
    const { node, why } = this.#place(name, placement);
    if (present === undefined) return { node, why, epoch: 1, revision: 1, movesFrom: null, created: true };
    return {
      node,
      why: `${why}; moved from ${quote(present.node)}, its state was not`,
      epoch: present.epoch + 1,
      revision: present.revision + 1,
      movesFrom: present.node,
      created: false,
    };
  }

  settled(name: AgentName, ok: boolean): void {
    if (!ok || this.#membership.locate(name) !== undefined) this.#placed.delete(name);
  }

  #place(
    name: AgentName,
    placement: AgentSpec["placement"],
  ): { readonly node: NodeId; readonly why: string } {
    const counts = this.#counts();
    const candidates = this.#membership
      .members()
      .map((member) => candidateOf(member, counts.get(member.id) ?? 0));
    const request = { ...placement, services: [], region: null, zone: null };
    const chosen = choosePlacement(candidates, request, this.#state, this.#prng);
    if (chosen.kind === "refused") throw new CaxtonError(chosen.code, chosen.why);
    this.#state = chosen.state;
    this.#placed.set(name, chosen.node);
    return { node: chosen.node, why: chosen.why };
  }

  #counts(): ReadonlyMap<NodeId, number> {
    const counts = new Map<NodeId, number>();
    const add = (node: NodeId): void => void counts.set(node, (counts.get(node) ?? 0) + 1);
    for (const { node } of this.#membership.directory()) add(node);
    for (const [name, node] of this.#placed) {
      if (this.#membership.locate(name) === undefined) add(node);
      else this.#placed.delete(name);
    }
    return counts;
  }
}

function candidateOf({ id, status, tags, load }: Member, agents: number): Candidate {
  return {
    id,
    status,
    healthy: true,
    agents,
    maxAgents: tags.maxAgents,
    cpu_percent: load.cpu_percent,
    memory_percent: load.memory_percent,
    weight: tags.weight,
    services: tags.services,
    region: tags.region,
    zone: tags.zone,
  };
}
