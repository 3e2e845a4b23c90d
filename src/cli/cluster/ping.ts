/** `caxton cluster ping NODE`: round trips to a node by each way that nodes talk. */
import type { PingAnswer } from "../../api/cluster/status.ts";
import { command } from "../command.ts";
import { latencyText } from "../figures.ts";
import { nodeArgument } from "../positional.ts";

const unreachableExit = 3;

export const ping = command<Record<never, never>, [string]>({
  brief: "Measure the round trips to a node",
  examples: ["caxton cluster ping node-2"],
  parameters: { positional: nodeArgument },
  run: async (call, _flags, node) => {
    const answer = await (await call.client()).cluster.ping(node);
    call.output.table(
      [
        { title: "NODE-ID", cell: (row: PingAnswer) => row.node },
        { title: "UDP", cell: ({ udp_ms }) => latencyText(udp_ms) },
        { title: "ESTIMATE", cell: ({ estimate_ms }) => latencyText(estimate_ms) },
        { title: "STREAM", cell: ({ stream_ms }) => latencyText(stream_ms) },
        { title: "MESSAGE", cell: ({ message_ms }) => latencyText(message_ms) },
      ],
      [answer],
      answer,
    );
    if (answer.error === null) return 0;
    call.output.notice(`error: ${node} did not answer on every way: ${answer.error}`);
    return unreachableExit;
  },
});
