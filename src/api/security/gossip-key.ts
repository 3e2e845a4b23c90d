/** `/api/v1/security/…`: the gossip key. */
import * as v from "valibot";
import type { ApiRoutes } from "../http/endpoint.ts";

/** Three steps over all nodes, each within seconds. */
const rotation_ms_max = 60_000;

export const rotateGossipKeyAnswer = v.object({
  key: v.string(),
  previous: v.string(),
  nodes: v.array(v.object({ node: v.string(), status: v.picklist(["rotated", "down"]) })),
});
export type RotateGossipKeyAnswer = v.InferOutput<typeof rotateGossipKeyAnswer>;

export function addGossipKey(api: ApiRoutes): void {
  const { security } = api.services;
  api.add(
    "post",
    "/api/v1/security/rotate-gossip-key",
    {
      tag: "security",
      summary: "Rotate the gossip key of the live cluster",
      description:
        "The new key goes to every live node, last, then first, then alone; a node that is down takes it when it is back.",
      answer: rotateGossipKeyAnswer,
      timeout_ms: rotation_ms_max,
      inMinority: { kind: "refused", why: "a key that only this side knows would keep the sides apart" },
    },
    async () => {
      const { nodes, ...keys } = await security.rotateGossipKey();
      return { ...keys, nodes: [...nodes] };
    },
  );
}
