/** How many voters a cluster of so many nodes has, and which nodes they are: spread over regions and zones. */
import type { NodeId } from "../base/ids.ts";

/** Nodes that may vote → voters, without a witness: an even number of voters survives no more than one less. */
export function votersFor(nodes: number, voters_max: number | null): number {
  const most = voters_max ?? 5;
  const odd = nodes >= 7 && most >= 7 ? 7 : nodes >= 5 ? 5 : nodes >= 3 ? 3 : Math.min(1, nodes);
  return Math.min(odd, most % 2 === 0 ? most - 1 : most);
}

export interface Candidate {
  readonly node: NodeId;
  readonly region: string;
  readonly zone: string;
  /** Those that must be among them come first, then those that vote already, then the rest. */
  readonly rank: number;
}

/**
 * `count` of the candidates, or all when there are fewer. One after the other is taken from where the fewest
 * are, so that the loss of a zone or region takes as few as can be; among equals by rank, then by name.
 */
export function chooseVoters(candidates: readonly Candidate[], count: number): readonly NodeId[] {
  const chosen: Candidate[] = [];
  const left = [...candidates].sort((a, b) => a.rank - b.rank || (a.node < b.node ? -1 : 1));
  while (chosen.length < count && left.length > 0) {
    const must = left.findIndex(({ rank }) => rank === 0);
    let best = Math.max(0, must);
    if (must === -1) {
      for (let i = 1; i < left.length; i++) {
        if (crowd(left[i] as Candidate, chosen) < crowd(left[best] as Candidate, chosen)) best = i;
      }
    }
    chosen.push(...left.splice(best, 1));
  }
  return chosen.map(({ node }) => node);
}

const sameZone = 1_000;

function crowd(candidate: Candidate, chosen: readonly Candidate[]): number {
  let crowded = 0;
  for (const { region, zone } of chosen) {
    if (region !== candidate.region) continue;
    crowded += zone === candidate.zone ? sameZone : 1;
  }
  return crowded;
}

/** Pairs that share a zone count most, pairs that share a region a little: the lower the better. */
export function crowding(voters: readonly Pick<Candidate, "region" | "zone">[]): number {
  let crowded = 0;
  for (const [index, a] of voters.entries()) {
    for (const b of voters.slice(index + 1)) {
      if (a.region === b.region) crowded += a.zone === b.zone ? sameZone : 1;
    }
  }
  return crowded;
}
