/** `caxton cluster rejoin --node N`: a node that was isolated takes agents and messages again. */
import { parseNodeId } from "../../base/ids.ts";
import { command } from "../command.ts";
import { proposeNodes } from "../known-names.ts";

interface Flags {
  readonly node: string;
}

export const rejoin = command<Flags>({
  brief: "Take an isolated node back",
  examples: ["caxton cluster rejoin --node node-2"],
  parameters: {
    flags: {
      node: {
        kind: "parsed",
        parse: parseNodeId,
        proposeCompletions: proposeNodes,
        placeholder: "N",
        brief: "The node",
      },
    },
  },
  run: async (call, { node }) => {
    const done = await (await call.client()).operations.rejoin(node);
    call.output.lines([`Node ${done.node} takes agents and messages again`], done);
  },
});
