/** `caxton server stop`: the local node leaves gracefully and exits; returns when it has. */
import { setTimeout as pause } from "node:timers/promises";
import { formatDuration } from "../../base/durations.ts";
import { CaxtonError } from "../../base/errors.ts";
import { command } from "../command.ts";
import { drainTimeout_ms_max, duration } from "../parse.ts";

const poll_ms = 100;
/** After the drain: the last databases, and the process itself. */
const exitGrace_ms = 30_000;

export const stop = command<{ readonly drainTimeout: number }>({
  brief: "Let the local node leave the cluster and exit",
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
    const { node } = await client.cluster.leave({ drainTimeout_ms: drainTimeout });
    const patience_ms = drainTimeout + exitGrace_ms;
    for (let waited_ms = 0; waited_ms < patience_ms; waited_ms += poll_ms) {
      const gone = await client.system.live().then(
        () => false,
        (error: unknown) => error instanceof CaxtonError && error.code === "unreachable",
      );
      if (gone) return call.output.lines([`Node ${node} has left and stopped`], { node, status: "stopped" });
      await pause(poll_ms);
    }
    throw new CaxtonError(
      "timeout",
      `Node ${node} left but still answers after ${formatDuration(patience_ms)}`,
    );
  },
});
