/** What main and the raft thread say to each other: plain data, in order. */
import type { NodeId } from "../../base/ids.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { RaftLimits } from "../../raft/options.ts";
import type { RaftTiming } from "../../raft/timing.ts";
import type { ConsensusStatus } from "./consensus.ts";
import type { CutOrder } from "../network-cut.ts";
import type { ConsensusAnswer, ConsensusRequest } from "./requests.ts";
import type { LeaseTerms } from "../../ownership/owner-lease.ts";
import type { FromLease, ToLease } from "../leases/node-lease.ts";

/** PEM texts; the thread judges its peers' certificates itself, and holds no key of the cluster. */
export interface RaftCertificate {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export interface OpenConsensus {
  readonly self: NodeId;
  readonly boot: number;
  readonly cluster: string;
  readonly logPath: string;
  readonly statePath: string;
  readonly bind: Address;
  readonly identity: RaftCertificate;
  readonly witness: boolean;
  /** This node begins the cluster: its log gets the first configuration, unless it has one. */
  readonly found: boolean;
  readonly timing: RaftTiming;
  readonly limits: RaftLimits;
  readonly snapshotEvery_entries: number;
  readonly connect_ms: number;
  readonly keepAlive_ms: number;
  readonly seed: number;
  readonly lease: { readonly terms: LeaseTerms; readonly cell: SharedArrayBuffer };
}

export type ToRaft =
  | { readonly kind: "open"; readonly open: OpenConsensus }
  | { readonly kind: "identity"; readonly identity: RaftCertificate }
  | { readonly kind: "address"; readonly node: NodeId; readonly address: Address | null }
  | { readonly kind: "hint"; readonly node: NodeId; readonly boot: number | null }
  | { readonly kind: "round-trip"; readonly roundTrip_ms: number }
  /** What was asked in one turn of main's loop, so that a thread is woken once. */
  | { readonly kind: "ask"; readonly requests: readonly ConsensusRequest[] }
  /** Writes the first configuration now: this node was chosen to begin the cluster. */
  | { readonly kind: "found" }
  | { readonly kind: "lease"; readonly ask: ToLease }
  /** Log and state are set aside, and this node begins anew as another participant. It must have no vote. */
  | { readonly kind: "rebuild"; readonly reason: string }
  /** Of a drill: this thread's streams to and from there are silent for that time. */
  | { readonly kind: "cut"; readonly order: CutOrder }
  | { readonly kind: "stop" };

export type FromRaft =
  /** Also when the thread began anew as another participant: `rebuilt` says why. */
  | {
      readonly kind: "opened";
      readonly local: Address;
      readonly identity: number;
      readonly rebuilt: string | null;
    }
  /** `open` failed; the thread ends. */
  | { readonly kind: "unopened"; readonly code: string; readonly detail: string }
  | { readonly kind: "status"; readonly status: ConsensusStatus; readonly changed: boolean }
  | { readonly kind: "answers"; readonly answers: readonly ConsensusAnswer[] }
  /** A peer was turned away, or turned this node away. */
  | { readonly kind: "refused"; readonly source: string; readonly reason: string }
  | { readonly kind: "lease"; readonly tell: FromLease }
  | { readonly kind: "stopped" };
