/**
 * What the API needs of nodes that take no part in gossip: registered by HTTP, known by their heartbeats alone.
 * `node/operator/registrations.ts` implements it.
 */
import type { NodeId } from "../base/ids.ts";
import type { Registration, RegistrationDetails } from "../wire/control-registration.ts";

/** What a heartbeat tells; what one leaves out stays as it was told before. Percentages are 0 to 100. */
export interface HeartbeatFigures {
  readonly cpu_usage: number;
  readonly memory_usage: number;
  readonly disk_usage: number;
  readonly load_average: number;
}

export interface RegisteredNode extends Registration {
  /** As the leader heard it last; null: nothing since it leads, or the leader cannot be asked. */
  readonly figures: HeartbeatFigures | null;
  /** Unix ms, by the leader's clock; when it was registered, where no heartbeat is known. */
  readonly lastSeen_ms: number;
}

export interface NodeRegistry {
  list(): Promise<readonly RegisteredNode[]>;
  /** Throws `already_exists` also for the name of a node that gossips, `limit_exceeded`, `no_quorum`. */
  register(details: RegistrationDetails, principal: string): Promise<RegisteredNode>;
  /** Throws `node_not_found`, `conflict` for a node that gossips, `no_quorum` without a leader. */
  heartbeat(id: NodeId, figures: Partial<HeartbeatFigures>): Promise<void>;
  /** Throws `node_not_found`. */
  unregister(id: NodeId, principal: string): Promise<void>;
}
