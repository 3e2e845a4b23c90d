/** What a simulated Raft world is, drawn from a seed: its members, their natures, and how rough it gets. */
import {
  defaultMember,
  type Member,
  type MemberRole,
  type RaftId,
  raftIdOf,
} from "../../raft/configuration.ts";
import type { RaftLimits } from "../../raft/options.ts";
import { raftTimingOf } from "../../raft/timing.ts";
import type { NodeId } from "../../base/ids.ts";
import { generatorOf } from "../generator.ts";
import type { RaftNetworkNature } from "./network.ts";
import type { RaftNodeNature } from "./node.ts";

export interface RaftFaults {
  /** Per second of virtual time, each kind. */
  readonly crashes: number;
  readonly cuts: number;
  readonly pauses: number;
  readonly diskFaults: number;
  readonly falseHints: number;
  readonly membership: number;
  readonly transfers: number;
}

export interface RaftScenario {
  readonly seed: number;
  readonly nodes: number;
  readonly witness: boolean;
  readonly spares: number;
  readonly leaseReads: boolean;
  readonly clients: number;
  /** Between two operations of a client, at most. */
  readonly think_ms: number;
  /** One register, asked mostly where a node thinks that it leads: stale reads have nowhere to hide. */
  readonly readers: boolean;
  /** Faults end here, then everything is healed. */
  readonly faults_ms: number;
  readonly faults: RaftFaults;
  readonly network: RaftNetworkNature;
}

/** Small, so that every bound is met all the time. */
const limits: RaftLimits = {
  appendEntries: 4,
  append_bytes: 700,
  inflightAppends: 3,
  inflight_bytes: 2_000,
  farEntries: 2,
  portionEntries: 3,
  uncommitted_bytes: 4_000,
  command_bytes: 1_000,
  forwarded: 8,
  reads: 8,
  apply_bytes: 500,
  cacheEntries: 8,
  cache_bytes: 1_500,
  trailingEntries: 6,
  snapshotChunks: 2,
  snapshot_ms: 1_500,
};

/** Bound on how much faster any clock runs than any other. */
const clockDrift = 0.02;

export function raftScenarioOf(seed: number): RaftScenario {
  const prng = generatorOf(seed, "scenario");
  const shape = prng.below(10);
  const witness = shape < 2;
  const nodes = witness ? 3 : ([3, 3, 3, 3, 5, 5, 5, 7][shape - 2] ?? 3);
  const leaseReads = prng.chance(0.15);
  const readers = prng.chance(0.3);
  const rough = (share: number, most: number): number => (prng.chance(share) ? prng.float() * most : 0);
  return {
    seed,
    nodes,
    witness,
    spares: prng.chance(0.5) ? 2 : 0,
    leaseReads,
    clients: readers ? 5 : 3,
    think_ms: readers ? 8 : 30,
    readers,
    faults_ms: 1_500,
    faults: {
      crashes: rough(0.6, 6),
      cuts: rough(0.6, 6),
      pauses: rough(readers ? 0.8 : 0.4, readers ? 8 : 4),
      diskFaults: rough(0.4, 4),
      falseHints: rough(readers ? 0.8 : 0.4, readers ? 12 : 6),
      membership: rough(0.6, 8),
      transfers: leaseReads ? 0 : rough(0.4, 4),
    },
    network: {
      delay_ms: 0.3 + prng.float() * 2,
      jitter_ms: prng.float() * 6,
      loss: rough(0.5, 0.1),
      duplication: rough(0.5, 0.1),
      straggling: rough(0.5, 0.05),
      ordered: prng.chance(0.5),
    },
  };
}

export function memberIds({ nodes, spares }: RaftScenario): RaftId[] {
  return Array.from({ length: nodes + spares }, (_, i) => raftIdOf(`n${i + 1}` as NodeId, 1));
}

/** The witness is the last of the founders. */
export function roleOfNode({ nodes, witness }: RaftScenario, position: number): MemberRole {
  return witness && position === nodes - 1 ? "witness" : "voter";
}

export function foundersOf(scenario: RaftScenario): Member[] {
  return memberIds(scenario)
    .slice(0, scenario.nodes)
    .map((id, position) => defaultMember(id, roleOfNode(scenario, position)));
}

export function natureOf(scenario: RaftScenario, position: number): RaftNodeNature {
  const id = memberIds(scenario)[position] ?? raftIdOf("n0" as NodeId, 1);
  const prng = generatorOf(scenario.seed, `nature ${position}`);
  return {
    options: {
      self: id,
      witness: roleOfNode(scenario, position) === "witness",
      timing: raftTimingOf("local"),
      hints: !scenario.leaseReads,
      leaseReads: scenario.leaseReads,
      clockDrift,
      limits,
    },
    clockRate: 1 + (prng.float() - 0.5) * clockDrift,
    clockOffset_ms: prng.below(100_000),
    disk_ms: 0.2 + prng.float() * (prng.chance(0.2) ? 20 : 2),
    blocking: prng.chance(0.5),
    settleShare: 0.05 + prng.float() * 0.4,
  };
}
