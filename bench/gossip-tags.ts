/** What the nodes of the membership benchmarks say of themselves. */
import type { NodeTags } from "../src/wire/gossip-tags.ts";

export const benchTags: NodeTags = {
  version: "bench",
  region: "",
  zone: "",
  api: "",
  maxAgents: 100,
  weight: 1,
  services: [],
};
