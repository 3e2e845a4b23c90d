/** `caxton cluster resolve-partition --prefer majority|NODE`: tries lost nodes again and replays what waits, now. */
import { parseNodeId } from "../../base/ids.ts";
import { command } from "../command.ts";

interface Flags {
  readonly prefer: string;
  readonly dropQueued: boolean;
}

export const resolvePartition = command<Flags>({
  brief: "Hasten the end of a partition",
  description:
    "Nodes find each other again by themselves; this tries at once. What a quorum has decided stays: a side without " +
    "one cannot be preferred. With --drop-queued the node that is asked refuses its waiting writes instead of replaying them.",
  examples: [
    "caxton cluster resolve-partition --prefer majority",
    "caxton cluster resolve-partition --prefer majority --drop-queued --yes",
  ],
  parameters: {
    flags: {
      prefer: {
        kind: "parsed",
        parse: (text: string) => (text === "majority" ? text : parseNodeId(text)),
        placeholder: "majority|N",
        brief: "The side whose state counts, by a node of it",
      },
      dropQueued: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "Give up the writes that wait at this node",
      },
    },
  },
  run: async (call, { prefer, dropQueued }) => {
    if (dropQueued) await call.confirm("Refuse every write that waits at this node?");
    const answer = await (await call.client()).cluster.resolvePartition(prefer, dropQueued);
    call.output.lines([...answer.lines], answer);
  },
});
