/** `caxton cluster compare-state`: the state's hash of each node at one index, and the first difference. */
import type { CompareAnswer } from "../../api/cluster/state-checks.ts";
import { command } from "../command.ts";

const differs = 6;
const degraded = 7;

export const compareState = command({
  brief: "Compare the replicas of the control state",
  examples: ["caxton cluster compare-state"],
  parameters: {},
  run: async (call) => {
    const answer = await (await call.client()).cluster.compareState();
    call.output.table(
      [
        { title: "NODE-ID", cell: ({ node }) => node },
        { title: "STATE-HASH", cell: ({ hash }) => hash ?? "-" },
        {
          title: "RESULT",
          cell: ({ same, detail }) => (same === null ? detail : same ? "same" : "DIFFERENT"),
        },
      ],
      answer.nodes,
      answer,
    );
    if (call.output.format !== "json") call.output.line(summaryOf(answer));
    if (answer.difference !== null) return differs;
    return answer.nodes.some(({ same }) => same === null) ? degraded : 0;
  },
});

export function summaryOf({ index, nodes, difference }: CompareAnswer): string {
  if (difference !== null) {
    const { node, section, key, detail } = difference;
    const place = key === null ? section : `${section}, key ${JSON.stringify(key)}`;
    return `First difference at index ${index}: ${node}, ${place}: ${detail}`;
  }
  const asked = nodes.filter(({ same }) => same !== null).length;
  return `${asked} of ${nodes.length} replicas compared at index ${index}, no difference`;
}
