/** `caxton cluster isolate --node N`: a node gives its agents away and takes no traffic until it rejoins. */
import type { IsolateAnswer } from "../../api/cluster/maintenance.ts";
import { parseNodeId } from "../../base/ids.ts";
import { command } from "../command.ts";
import { proposeNodes } from "../known-names.ts";
import { drainTimeout_ms_max, duration } from "../parse.ts";

const failed = 1;

interface Flags {
  readonly node: string;
  readonly drainTimeout: number;
}

export const isolate = command<Flags>({
  brief: "Take a node out of traffic, until it rejoins",
  description:
    "It gives its agents to others, takes none, and refuses clients' messages, also after a restart. It keeps its vote and " +
    "answers operators.",
  examples: [
    "caxton cluster isolate --node node-2",
    "caxton cluster isolate --node node-2 --drain-timeout 5m",
  ],
  parameters: {
    flags: {
      node: {
        kind: "parsed",
        parse: parseNodeId,
        proposeCompletions: proposeNodes,
        placeholder: "N",
        brief: "The node",
      },
      drainTimeout: {
        kind: "parsed",
        parse: duration(0, drainTimeout_ms_max),
        default: "60s",
        placeholder: "D",
        brief: "How long to wait for its agents to be elsewhere",
      },
    },
  },
  run: async (call, { node, drainTimeout }) => {
    const answer = await (await call.client()).operations.isolate(node, drainTimeout);
    call.output.lines(isolationLines(answer), answer);
    return answer.stayed > 0 || answer.not_reached !== null ? failed : 0;
  },
});

export function isolationLines({ node, moved, stayed, not_reached: why }: IsolateAnswer): string[] {
  const lines = [`Node ${node} is isolated: ${moved} agents handed over`];
  if (stayed > 0) lines.push(`${stayed} agents are still there: it goes on trying`);
  if (why !== null) lines.push(`It could not be asked for its agents: ${why}`);
  return [...lines, `To take it back: caxton cluster rejoin --node ${node}`];
}
