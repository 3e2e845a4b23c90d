/** What people are told of an agent: as its node announces it, and whether that node is there and may act for it. */
import type { NodeId } from "../base/ids.ts";
import type { Membership } from "../cluster/membership.ts";
import type { ShownStatus } from "../wire/agent-spec.ts";
import type { OwnedAgent } from "./assignment-table.ts";

export interface ShownStatusOptions {
  readonly membership: Pick<Membership, "self" | "member" | "locate">;
  /** This node has its lease. */
  readonly mayAct: () => boolean;
  /** The leader does not hear that node, so it has no lease. */
  readonly isUnheard: (node: NodeId) => boolean;
}

/** Whether its owner has announced it, under this assignment or a later one; until then it begins there. */
export function isAnnounced(
  { agent, node, epoch }: OwnedAgent,
  { membership }: Pick<ShownStatusOptions, "membership">,
): boolean {
  const entry = membership.locate(agent);
  return entry !== undefined && entry.node === node && entry.epoch >= epoch;
}

export function shownStatusOf(owned: OwnedAgent, options: ShownStatusOptions): ShownStatus {
  const { membership, mayAct, isUnheard } = options;
  const { agent, node, spec } = owned;
  const there = membership.member(node)?.status;
  if (there !== "alive" && there !== "suspect") return "orphaned";
  const entry = isAnnounced(owned, options) ? membership.locate(agent) : undefined;
  const announced = entry?.status ?? "starting";
  if (announced === "suspended" || announced === "failed" || spec.partition === "continue") return announced;
  // What is to begin there does not begin either.
  const acts = node === membership.self ? mayAct() : !isUnheard(node);
  return acts ? announced : "parked";
}
