/**
 * What is played: a cluster and timed faults, as plain data. With its seed it decides a run to the byte.
 * `scenario-file.ts` reads and writes it as JSON.
 */
import type { TimingProfile } from "../swim/timing.ts";

export const regionPlans = ["one", "zones", "cities"] as const;
export type RegionPlan = (typeof regionPlans)[number];

/** What links do to datagrams all the time. */
export interface NetworkQuality {
  /** Probabilities of one datagram: lost, doubled, held back so that later ones overtake it, one byte changed. */
  readonly loss: number;
  readonly duplication: number;
  readonly reordering: number;
  readonly corruption: number;
}

/**
 * `nodes` and `peers` are sets in words, see `node-set.ts`. A fault with `for_ms` ends by itself; one
 * without lasts to the end of the run. A crashed node or one that left starts again after `for_ms`.
 */
export type Fault = { readonly at_ms: number; readonly for_ms?: number } &
  /** `silent`: the machine, not only the process. `certified`: the launcher says so, as it does of one that is not back at once. */
  (
    | {
        readonly kind: "crash";
        readonly nodes: string;
        readonly silent?: boolean;
        readonly certified?: boolean;
      }
    | { readonly kind: "leave"; readonly nodes: string }
    /** An operator's word, given at the first of `by` that runs, that nodes are gone: crashed ones, or such as failed there. */
    | { readonly kind: "remove"; readonly nodes: string; readonly by: string }
    /** The process stands still: timers come late, packets wait in its socket. */
    | { readonly kind: "pause"; readonly nodes: string }
    /** The network of the machine stands still: packets wait both ways, timers run on. */
    | { readonly kind: "stall"; readonly nodes: string }
    /** Each timer and packet takes so long, one after the other. */
    | { readonly kind: "slow"; readonly nodes: string; readonly cost_ms: number }
    /** The main thread hangs, the gossip thread does not. */
    | { readonly kind: "wedge"; readonly nodes: string }
    /** Nothing passes between `nodes` and `peers` (all the others unless given); `oneWay`: only from nodes to peers. */
    | { readonly kind: "cut"; readonly nodes: string; readonly peers?: string; readonly oneWay?: boolean }
    /** Links between `nodes` and `peers` are this much worse, both ways. */
    | {
        readonly kind: "degrade";
        readonly nodes: string;
        readonly peers?: string;
        readonly loss?: number;
        readonly duplication?: number;
        readonly delay_ms?: number;
      }
    /** The wall clock jumps by `skew_ms`; both clocks run `drift` times as fast. */
    | { readonly kind: "clock"; readonly nodes: string; readonly skew_ms?: number; readonly drift?: number }
    /** Every stream of these nodes breaks once, though they run: a firewall or a link that rejects for a moment. */
    | { readonly kind: "flap"; readonly nodes: string }
    /** The disk takes no write for a while, or refuses each. */
    | { readonly kind: "disk"; readonly nodes: string; readonly errors?: boolean }
    | { readonly kind: "deploy"; readonly nodes: string; readonly count: number }
    | { readonly kind: "retire"; readonly nodes: string; readonly count: number }
    /** Packets of the last seconds arrive once more, from their old senders. */
    | { readonly kind: "replay"; readonly count: number }
    /** A member with the key says of others that they are `step` incarnations further than they are. */
    | { readonly kind: "lie"; readonly nodes: string; readonly about: string; readonly step: number }
  );

export interface Scenario {
  readonly seed: number;
  readonly nodes: number;
  readonly regions: RegionPlan;
  readonly profile: TimingProfile;
  /** SWIM without Lifeguard, to compare with. */
  readonly plain?: boolean;
  readonly duration_ms: number;
  /** Agents that each node hosts from its start. */
  readonly agents: number;
  /** Messages that the agents of a node send in a second, to agents of other nodes. */
  readonly messages?: number;
  readonly network: NetworkQuality;
  readonly faults: readonly Fault[];
}

export const perfectNetwork: NetworkQuality = { loss: 0, duplication: 0, reordering: 0, corruption: 0 };

/** The first so many are those that every other is given to join by. */
export const seedsCount = 3;
/** More nodes than a run can hold in memory comfortably. */
export const nodesLimit = 2_000;
export const faultsLimit = 10_000;
/** A day. */
export const durationLimit_ms = 86_400_000;
