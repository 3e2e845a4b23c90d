/** What the router is joined to, and how a message is handed to it. */
import type { AgentName, NodeId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { Membership } from "../cluster/membership.ts";
import type { Peers } from "../cluster/peers/peers.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../store/store.ts";
import type { Outcome } from "../wire/outcome.ts";
import type { ClientDelivery, LocalDelivery } from "./deliveries.ts";
import type { ActingRule } from "./peer-link.ts";

export interface RouterOptions {
  readonly self: NodeId;
  /** This boot's epoch: the session of all links. */
  readonly session: number;
  readonly clock: Clock;
  readonly prng: Prng;
  readonly membership: Pick<Membership, "member" | "locate" | "subscribe">;
  readonly peers: Pick<Peers, "send" | "onFrame" | "onLink">;
  readonly store: Pick<Store, "append">;
  readonly local: LocalDelivery;
  readonly clients: ClientDelivery;
  /** The epoch of an agent of this node; undefined when it has none. Without it no epoch is looked at. */
  readonly epochHere?: (agent: string) => number | undefined;
  /** Whether agents of this node may act; they always may when it is left out. */
  readonly acting?: ActingRule;
  /** Whether that node is out of reach for a partition's sake, so that its mail waits for as long as that lasts. */
  readonly isCutOff?: (node: NodeId) => boolean;
  /** The instance for a message to a name that several share; undefined for any other. */
  readonly instanceFor?: (receiver: string, key: () => string) => AgentName | undefined;
  /** Another node took a message of this one. */
  readonly accepted?: (message: Uint8Array) => void;
  readonly deadLettered: (reason: string, message: Uint8Array) => void;
  readonly failed: (what: string, reason: string) => void;
}

export interface SubmitOptions {
  /** It is in the outbox already: leaves it when it ends. */
  readonly durable: boolean;
  /** How long to retry. */
  readonly retry_ms: number;
  /** Whether a failure becomes a dead letter; when not, `done` alone tells. */
  readonly deadLetter: boolean;
  readonly done: (outcome: Outcome) => void;
}

/** A message under way, for its submitter. */
export interface Submitted {
  /**
   * Makes it durable here and gives it `retry_ms` from now; from then on it ends delivered or as a
   * dead letter. Resolves with its outcome when it had ended before; rejects when the store fails,
   * and then it is not delivered.
   */
  queue(retry_ms: number): Promise<Outcome | undefined>;
  /** It is tried no more, and becomes no dead letter: it is out of the outbox by its submitter's doing. */
  forget(): void;
}
