/** `caxton cluster rebuild --node N --from-peers`: a node gets the cluster's state anew from the others. */
import { CaxtonError } from "../../base/errors.ts";
import { parseNodeId } from "../../base/ids.ts";
import { command } from "../command.ts";
import { proposeNodes } from "../known-names.ts";
import { latencyText } from "../figures.ts";

interface Flags {
  readonly node: string;
  readonly fromPeers: boolean;
}

export const rebuild = command<Flags>({
  brief: "Give a node the cluster's state anew",
  description:
    "Its Raft log and control state are set aside (*.set-aside) and come again from its peers; until then it has no vote. " +
    "Its agents' own journals are left alone.",
  examples: ["caxton cluster rebuild --node node-2 --from-peers --yes"],
  parameters: {
    flags: {
      node: {
        kind: "parsed",
        parse: parseNodeId,
        proposeCompletions: proposeNodes,
        placeholder: "N",
        brief: "The node",
      },
      fromPeers: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "From the other nodes: the one source that there is",
      },
    },
  },
  run: async (call, { node, fromPeers }) => {
    if (!fromPeers) {
      throw new CaxtonError(
        "invalid_argument",
        "Say where the state is to come from: caxton cluster rebuild --node N --from-peers",
      );
    }
    await call.confirm(`Set the state of ${node} aside and take it anew from its peers?`);
    const done = await (await call.client()).operations.rebuild(node);
    const took = latencyText(done.took_ms);
    call.output.lines([`Rebuilt ${done.node} from its peers (up to entry ${done.index}, ${took})`], done);
  },
});
