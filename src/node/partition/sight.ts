/** What nodes say of themselves when they are asked whom they reach. */
import * as v from "valibot";
import { jsonBody, parseBody } from "../../agents/agent-requests.ts";
import { CaxtonError } from "../../base/errors.ts";
import { namePattern, type NodeId } from "../../base/ids.ts";
import type { PartitionView } from "../../cluster/partition-monitor.ts";
import type { Peers } from "../../cluster/peers/peers.ts";
import type { NodeSight } from "../../ownership/partition-map.ts";

const sightMethod = "partition.sight";
/** What nodes of an earlier program ask, and answer: only whom they do not reach. */
const reachMethod = "partition.reach";
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
const reachSchema = v.strictObject({ unreached: sightSchema.entries.unreached });
const nothing = v.strictObject({});

export function answerSights(peers: Pick<Peers, "handle">, view: () => PartitionView): void {
  peers.handle(sightMethod, (body) => {
    parseBody(nothing, body);
    return Promise.resolve(jsonBody(sightOf(view())));
  });
  peers.handle(reachMethod, (body) => {
    parseBody(nothing, body);
    return Promise.resolve(jsonBody({ unreached: view().unreached }));
  });
}

/**
 * Of each; null of one that does not answer, or not so. `older` is what is made of one of an earlier program, which says
 * less of itself. Never rejects.
 */
export async function askSights(
  peers: Pick<Peers, "request">,
  nodes: readonly NodeId[],
  older: (unreached: readonly NodeId[]) => NodeSight | null,
): Promise<ReadonlyMap<NodeId, NodeSight | null>> {
  const sights = nodes.map(async (node): Promise<readonly [NodeId, NodeSight | null]> => {
    try {
      return [node, await askSight(peers, node, older)];
    } catch {
      return [node, null];
    }
  });
  return new Map(await Promise.all(sights));
}

async function askSight(
  peers: Pick<Peers, "request">,
  node: NodeId,
  older: (unreached: readonly NodeId[]) => NodeSight | null,
): Promise<NodeSight | null> {
  const ask = (method: string): Promise<Uint8Array> =>
    peers.request(node, method, jsonBody({}), { timeout_ms: reach_ms });
  try {
    return parseBody(sightSchema, await ask(sightMethod));
  } catch (error) {
    if (!(error instanceof CaxtonError) || error.code !== "not_found") throw error;
    return older(parseBody(reachSchema, await ask(reachMethod)).unreached);
  }
}

export function sightOf({ state, leaderNode, unreached, silent }: PartitionView): NodeSight {
  const minority = state === "minority" || state === "isolated";
  return { minority, leader: leaderNode, unreached: [...unreached, ...silent] };
}
