/**
 * What nodes say of themselves when they are asked whom they reach: by the node that wants to know, or, where that has no way
 * to them, by others that have one and pass it on.
 */
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
/** Of another, asked by who does not reach it. */
const sightOfMethod = "partition.sight.of";
const around_ms = 2_000;
/** Nodes that are asked for one other, and others that are asked for. */
const helpers_max = 3;
const soughtLimit = 100;

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
const ofSchema = v.strictObject({ node: nodeId });

export function answerSights(peers: Pick<Peers, "handle" | "request">, view: () => PartitionView): void {
  peers.handle(sightMethod, (body) => {
    parseBody(nothing, body);
    return Promise.resolve(jsonBody(sightOf(view())));
  });
  peers.handle(reachMethod, (body) => {
    parseBody(nothing, body);
    return Promise.resolve(jsonBody({ unreached: view().unreached }));
  });
  peers.handle(sightOfMethod, async (body) => {
    const sight = await askSight(peers, parseBody(ofSchema, body).node, () => null);
    if (sight === null) throw new CaxtonError("not_found", "It says too little of itself to be passed on");
    return jsonBody(sight);
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

/**
 * With what others that reach them were told by those that did not answer here, and by the `unreached`, who were not asked.
 * Null where there is nobody to ask. Never rejects.
 */
export async function askAround(
  peers: Pick<Peers, "request">,
  sights: ReadonlyMap<NodeId, NodeSight | null>,
  unreached: readonly NodeId[],
): Promise<ReadonlyMap<NodeId, NodeSight | null>> {
  const sought = [...[...sights].flatMap(([node, sight]) => (sight === null ? [node] : [])), ...unreached];
  const found = sought
    .slice(0, soughtLimit)
    .map(async (node): Promise<readonly [NodeId, NodeSight | null]> => {
      const helpers = [...sights].flatMap(([helper, sight]) =>
        sight === null || sight.unreached.includes(node) ? [] : [helper],
      );
      const answers = helpers.slice(0, helpers_max).map(async (helper) => {
        const timeout_ms = around_ms;
        return parseBody(
          sightSchema,
          await peers.request(helper, sightOfMethod, jsonBody({ node }), { timeout_ms }),
        );
      });
      return [node, await Promise.any(answers).catch(() => null)];
    });
  return new Map([...sights, ...(await Promise.all(found))]);
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
