/** `caxton security rotate-gossip-key`: a new gossip key at every node, with no gap and no restart. */
import { command } from "../command.ts";

export const rotateGossipKey = command({
  brief: "Replace the gossip key of the running cluster",
  examples: ["caxton security rotate-gossip-key"],
  parameters: {},
  run: async (call) => {
    const answer = await (await call.client()).security.rotateGossipKey();
    call.output.table(
      [
        { title: "NODE-ID", cell: ({ node }) => node },
        { title: "STATUS", cell: ({ status }) => status },
      ],
      answer.nodes,
      answer,
    );
    if (call.output.format === "json") return;
    call.output.notice(`Gossip key ${answer.key} replaces ${answer.previous}`);
    const down = answer.nodes.filter(({ status }) => status === "down").length;
    if (down > 0)
      call.output.notice(`${down} of ${answer.nodes.length} nodes are down and take it when they are back`);
  },
});
