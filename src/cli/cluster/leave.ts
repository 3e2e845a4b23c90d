/** `caxton cluster leave [--node N]`: a node gives its agents to others, finishes its work, tells them and exits; returns when it has. */
import { parseNodeId } from "../../base/ids.ts";
import { command } from "../command.ts";
import { proposeNodes } from "../known-names.ts";
import { drainTimeout_ms_max, duration } from "../parse.ts";
import { untilLeft, untilSilent } from "../until-gone.ts";

interface Flags {
  readonly node?: string;
  readonly drainTimeout: number;
  readonly force: boolean;
}

export const leave = command<Flags>({
  brief: "Let a node hand its agents over and leave, the one that answers unless named",
  examples: ["caxton cluster leave", "caxton cluster leave --node node-3 --drain-timeout 2m"],
  parameters: {
    flags: {
      node: {
        kind: "parsed",
        parse: parseNodeId,
        proposeCompletions: proposeNodes,
        optional: true,
        placeholder: "N",
        brief: "The node",
      },
      drainTimeout: {
        kind: "parsed",
        parse: duration(0, drainTimeout_ms_max),
        default: "60s",
        placeholder: "D",
        brief: "How long it may finish its work",
      },
      force: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "Even where its vote is needed, and the others lose their quorum",
      },
    },
  },
  run: async (call, { node, drainTimeout, force }) => {
    const client = await call.client();
    const { self } = await client.cluster.members();
    const done = await client.cluster.leave({
      ...(node === undefined ? {} : { node }),
      drainTimeout_ms: drainTimeout,
      handOver: true,
      force,
    });
    const isOther = done.node !== self;
    await (isOther ? untilLeft : untilSilent)(client, done.node, drainTimeout);
    const status = isOther ? "left" : "stopped";
    call.output.lines([`Node ${done.node} has left${isOther ? "" : " and stopped"}`], { ...done, status });
  },
});
