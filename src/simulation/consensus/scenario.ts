/** What a simulated consensus world is, drawn from a seed: members, their machines and disks, how rough it gets. */
import { parseNodeId, type NodeId } from "../../base/ids.ts";
import { defaultLimits, type RaftLimits } from "../../raft/options.ts";
import { type RaftTiming, raftTimingOf } from "../../raft/timing.ts";
import type { DiskNature } from "./disk.ts";
import type { LinksNature } from "./links.ts";
import { generatorOf } from "../generator.ts";

/** How often each kind happens, per second of virtual time. */
export interface ConsensusFaults {
  readonly crashes: number;
  readonly cuts: number;
  readonly pauses: number;
  readonly diskFaults: number;
  readonly falseHints: number;
  readonly membership: number;
  readonly transfers: number;
}

export interface ConsensusNature {
  readonly index: number;
  readonly clockRate: number;
  readonly clockOffset_ms: number;
  readonly disk: DiskNature;
}

export interface ConsensusScenario {
  readonly seed: number;
  readonly nodes: number;
  /** Nodes that run and are no members at first. */
  readonly spares: number;
  readonly clients: number;
  /** Between two operations of a client, at most. */
  readonly think_ms: number;
  /** Faults end here, then everything is healed. */
  readonly faults_ms: number;
  readonly faults: ConsensusFaults;
  readonly links: LinksNature;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  readonly snapshotEvery_entries: number;
}

const clockDrift = 0.02;

export function consensusScenarioOf(seed: number): ConsensusScenario {
  const prng = generatorOf(seed, "consensus");
  const rough = (share: number, most: number): number => (prng.chance(share) ? prng.float() * most : 0);
  return {
    seed,
    nodes: prng.chance(0.7) ? 3 : 5,
    spares: prng.chance(0.35) ? 1 : 0,
    clients: 3,
    think_ms: 20,
    faults_ms: 1_200,
    faults: {
      crashes: rough(0.75, 5),
      cuts: rough(0.6, 6),
      pauses: rough(0.4, 4),
      diskFaults: rough(0.6, 5),
      falseHints: rough(0.4, 5),
      membership: rough(0.5, 6),
      transfers: rough(0.4, 4),
    },
    links: { delay_ms: 0.2 + prng.float() * 2, jitter_ms: prng.float() * 4, hinted: prng.float() },
    timing: raftTimingOf("local"),
    // Small, so that every bound is met.
    limits: {
      ...defaultLimits,
      appendEntries: 4,
      append_bytes: 1_500,
      inflightAppends: 3,
      inflight_bytes: 4_000,
      farEntries: 2,
      portionEntries: 3,
      uncommitted_bytes: 8_000,
      forwarded: 8,
      reads: 8,
      apply_bytes: 1_000,
      cacheEntries: 8,
      cache_bytes: 3_000,
      trailingEntries: 6,
      snapshot_ms: 1_500,
    },
    snapshotEvery_entries: 5 + prng.below(30),
  };
}

export function nodeNames({ nodes, spares }: ConsensusScenario): NodeId[] {
  return Array.from({ length: nodes + spares }, (_, i) => parseNodeId(`n${i + 1}`));
}

export function consensusNatureOf(seed: number, index: number): ConsensusNature {
  const prng = generatorOf(seed, `consensus nature ${index}`);
  return {
    index,
    clockRate: 1 + (prng.float() - 0.5) * clockDrift,
    clockOffset_ms: prng.below(100_000),
    disk: { durable_ms: 0.3 + prng.float() * (prng.chance(0.2) ? 20 : 2), relaxed_ms: 0.05 },
  };
}
