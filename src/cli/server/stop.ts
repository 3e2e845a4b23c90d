/** `caxton server stop`: the local node leaves gracefully and exits; returns when it has. */
import { command } from "../command.ts";
import { drainTimeout_ms_max, duration } from "../parse.ts";
import { untilSilent } from "../until-gone.ts";

export const stop = command<{ readonly drainTimeout: number }>({
  brief: "Stop the local node; back soon, it keeps its agents (else: cluster leave)",
  examples: ["caxton server stop", "caxton server stop --data-dir data-2 --drain-timeout 5s"],
  parameters: {
    flags: {
      drainTimeout: {
        kind: "parsed",
        parse: duration(0, drainTimeout_ms_max),
        default: "30s",
        placeholder: "D",
        brief: "How long it may finish its work",
      },
    },
  },
  run: async (call, { drainTimeout }) => {
    const client = await call.client();
    const { node } = await client.cluster.leave({
      drainTimeout_ms: drainTimeout,
      handOver: false,
    });
    await untilSilent(client, node, drainTimeout);
    call.output.lines([`Node ${node} has left and stopped`], { node, status: "stopped" });
  },
});
