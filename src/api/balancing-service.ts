/** What the HTTP API needs of a node about balancing: figures of its choices, and moves that make nodes even. */
import type { AgentName, NodeId } from "../base/ids.ts";
import type { RebalanceStrategy } from "../placement/rebalance-plan.ts";
import type { PlacementStrategy } from "../wire/agent-spec.ts";

/** A node as the one that answers has used it since it started. */
export interface BackendView {
  readonly node: NodeId;
  /** Placements that it decided for that node, and those that could not be started there. */
  readonly chosen: number;
  readonly failed: number;
  /** Messages to it that it has not answered. */
  readonly in_flight: number;
  /** Open streams to it. */
  readonly connections: number;
}

/** The block `balancer` of the cluster's statistics. */
export interface BalancerView {
  readonly strategy: PlacementStrategy;
  readonly round_robin_index: number;
  readonly backends: readonly BackendView[];
}

export interface PlannedMove {
  readonly agent: AgentName;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly why: string;
}

export interface RebalancePlanView {
  readonly strategy: RebalanceStrategy;
  readonly moves: readonly PlannedMove[];
  /** No more are moved in one go: plan again afterwards. */
  readonly limit: number;
}

export interface RebalanceResult extends RebalancePlanView {
  readonly moved: number;
  readonly failed: readonly { readonly agent: AgentName; readonly reason: string }[];
  readonly seconds: number;
}

export interface BalancingService {
  view(): BalancerView;
  plan(strategy: RebalanceStrategy): Promise<RebalancePlanView>;
  /** By the leader, one at a time. Throws `conflict` while another runs, `no_quorum`, `unreachable`. */
  rebalance(strategy: RebalanceStrategy): Promise<RebalanceResult>;
}
