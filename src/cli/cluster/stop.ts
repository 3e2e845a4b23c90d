/** `caxton cluster stop --all`: every node closes its intake and its databases; processes and APIs stay. */
import { CaxtonError } from "../../base/errors.ts";
import type { Client } from "../../client/client.ts";
import { command } from "../command.ts";
import { toldLines } from "./told-lines.ts";

const look_ms = 200;
/** The longest drain that nodes are configured for, mostly; after it they may still be at it. */
const stopped_ms = 90_000;

interface Flags {
  readonly all: boolean;
}

export const stop = command<Flags>({
  brief: "Stop all nodes: databases closed, processes stay",
  examples: ["caxton cluster stop --all --yes"],
  parameters: {
    flags: {
      all: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "Every node; one alone: caxton cluster leave",
      },
    },
  },
  run: async (call, { all }) => {
    if (!all) {
      throw new CaxtonError(
        "invalid_argument",
        "Stops every node, and wants to be told so: caxton cluster stop --all. One node: caxton cluster leave --node N",
      );
    }
    await call.confirm("Stop every node of the cluster? No agent answers until: caxton cluster start.");
    const client = await call.client();
    const answer = await client.operations.stopAll();
    await stopped(client);
    call.output.lines(
      [...toldLines(answer, "stopped"), "To start all: caxton cluster start --verify"],
      answer,
    );
    return answer.nodes.every(({ ok }) => ok) ? 0 : 1;
  },
});

/** Its API goes and comes back in between. */
async function stopped(client: Client): Promise<void> {
  const end_ms = performance.now() + stopped_ms;
  for (;;) {
    const status = await client.cluster.status().catch((error: unknown) => {
      if (error instanceof CaxtonError && (error.code === "unreachable" || error.retryable)) return null;
      throw error;
    });
    if (status?.status.startsWith("STOPPED") === true) return;
    if (performance.now() >= end_ms)
      throw new CaxtonError("timeout", "The node has not stopped yet. See: caxton cluster status");
    await new Promise((resolve) => setTimeout(resolve, look_ms));
  }
}
