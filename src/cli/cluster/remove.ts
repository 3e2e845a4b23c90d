/** `caxton cluster remove --node N`: forgets a member that is gone for good; one that lives is told, and ends. */
import { parseNodeId } from "../../base/ids.ts";
import { command } from "../command.ts";
import { proposeNodes } from "../known-names.ts";

interface Flags {
  readonly node: string;
  readonly force: boolean;
}

export const remove = command<Flags>({
  brief: "Forget a member that is gone",
  examples: ["caxton cluster remove --node node-3", "caxton cluster remove --node node-3 --force"],
  parameters: {
    flags: {
      node: {
        kind: "parsed",
        parse: parseNodeId,
        proposeCompletions: proposeNodes,
        placeholder: "N",
        brief: "The node",
      },
      force: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "Without asking, and even one that is alive: its process ends",
      },
    },
  },
  run: async (call, { node, force }) => {
    if (!force) await call.confirm(`Forget ${node} everywhere?`);
    const done = await (await call.client()).cluster.remove(node, force);
    call.output.lines([`Removed ${node}`], done);
  },
});
