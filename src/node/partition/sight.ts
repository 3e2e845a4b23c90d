/** What nodes say of themselves when they are asked whom they reach. */
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import { namePattern, type NodeId } from "../../base/ids.ts";
import type { PartitionView } from "../../cluster/partition-monitor.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { NodeSight } from "../../ownership/partition-map.ts";

const method = "partition.reach";
const reach_ms = 1_000;

const nodeId = v.pipe(
  v.string(),
  v.regex(namePattern),
  v.transform((text) => text as NodeId),
);
const sightSchema = v.strictObject({
  minority: v.boolean(),
  leader: v.nullable(nodeId),
  unreached: v.pipe(v.array(nodeId), v.maxLength(10_000)),
});

export function answerSights(peers: Pick<Peers, "handle">, view: () => PartitionView): void {
  peers.handle(method, (body) => {
    parseBody(v.strictObject({}), body);
    return Promise.resolve(jsonBody(sightOf(view())));
  });
}

/** Of each; null of one that does not answer, or not so. Never rejects. */
export async function askSights(
  peers: Pick<Peers, "request">,
  nodes: readonly NodeId[],
): Promise<ReadonlyMap<NodeId, NodeSight | null>> {
  const sights = nodes.map(async (node): Promise<readonly [NodeId, NodeSight | null]> => {
    try {
      const body = await peers.request(node, method, jsonBody({}), { timeout_ms: reach_ms });
      return [node, parseBody(sightSchema, body)];
    } catch {
      return [node, null];
    }
  });
  return new Map(await Promise.all(sights));
}

export function sightOf({ state, leaderNode, unreached, silent }: PartitionView): NodeSight {
  const minority = state === "minority" || state === "isolated";
  return { minority, leader: leaderNode, unreached: [...unreached, ...silent] };
}
