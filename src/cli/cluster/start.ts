/** `caxton cluster start [--verify]`: starts every node that was stopped, and checks what they hold. */
import type { VerifyAnswer } from "../../api/cluster/state-checks.ts";
import { CaxtonError } from "../../base/errors.ts";
import type { Client } from "../../client/client.ts";
import { command } from "../command.ts";
import { toldLines } from "./told-lines.ts";
import { verifyTable } from "./verify.ts";

const look_ms = 250;
/** Until the node that was asked serves, and knows a leader. */
const started_ms = 120_000;
/** Until every node that is a member again answers. */
const reachable_ms = 30_000;

interface Flags {
  readonly verify: boolean;
}

export const start = command<Flags>({
  brief: "Start all nodes that were stopped",
  examples: ["caxton cluster start", "caxton cluster start --verify"],
  parameters: {
    flags: {
      verify: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "Then check what every node holds",
      },
    },
  },
  run: async (call, { verify }) => {
    const client = await call.client();
    const told = await client.operations.startAll();
    await serving(client);
    const reached = told.nodes.every(({ ok }) => ok);
    if (!verify) {
      call.output.lines(toldLines(told, "started"), told);
      return reached ? 0 : 1;
    }
    await allThere(client, told.nodes.filter(({ ok }) => ok).length);
    const checks = await verified(client);
    if (call.output.format === "json") call.output.json({ ...told, verify: checks });
    else {
      call.output.lines(toldLines(told, "started"), told);
      verifyTable(call.output, checks);
    }
    return reached && checks.ok ? 0 : 1;
  },
});

/** A node that is a member again may still be starting: it is asked again for a while. */
async function verified(client: Client): Promise<VerifyAnswer> {
  const end_ms = performance.now() + reachable_ms;
  for (;;) {
    const answer = await client.cluster.verify({ deep: true });
    const silent = answer.checks.some(({ check, ok }) => check === "reachable" && !ok);
    if (!silent || performance.now() >= end_ms) return answer;
    await new Promise((resolve) => setTimeout(resolve, look_ms));
  }
}

/** Its API goes and comes back in between. */
async function serving(client: Client): Promise<void> {
  await until(async () => {
    const { status } = await client.cluster.status();
    return status.startsWith("HEALTHY");
  }, "The node that was asked does not see a healthy cluster yet. See: caxton cluster status");
}

/** Those that were told to start are members again: only then there is something to check. */
async function allThere(client: Client, nodes: number): Promise<void> {
  await until(async () => {
    const { nodes_active } = await client.cluster.status();
    return nodes_active >= nodes;
  }, `Fewer than ${nodes} nodes are back yet. See: caxton cluster members`);
}

async function until(isSo: () => Promise<boolean>, late: string): Promise<void> {
  const end_ms = performance.now() + started_ms;
  for (;;) {
    const so = await isSo().catch((error: unknown) => {
      if (error instanceof CaxtonError && (error.code === "unreachable" || error.retryable)) return false;
      throw error;
    });
    if (so) return;
    if (performance.now() >= end_ms) throw new CaxtonError("timeout", late);
    await new Promise((resolve) => setTimeout(resolve, look_ms));
  }
}
