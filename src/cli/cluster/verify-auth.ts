/** `caxton cluster verify-auth`: do the gossip keys and certificates match on every node. */
import { command } from "../command.ts";

const refusedExit = 4;

export const verifyAuth = command({
  brief: "Check that keys and certificates match on every node",
  examples: ["caxton cluster verify-auth"],
  parameters: {},
  run: async (call) => {
    const answer = await (await call.client()).cluster.verifyAuth();
    call.output.table(
      [
        { title: "NODE-ID", cell: ({ node }) => node },
        { title: "GOSSIP-KEY", cell: ({ gossip_key }) => gossip_key },
        { title: "CERTIFICATE", cell: ({ certificate }) => certificate },
        { title: "PROBLEM", cell: ({ problem }) => problem?.replaceAll("_", " ") ?? "-" },
        { title: "DETAIL", cell: ({ detail }) => detail },
      ],
      answer.nodes,
      answer,
    );
    const refused = answer.nodes.some(({ problem }) => problem !== null && problem !== "unreachable");
    return refused ? refusedExit : 0;
  },
});
