/** Waiting for a node that was told to leave: an operator switches its machine off when the command returns. */
import { setTimeout as pause } from "node:timers/promises";
import { formatDuration } from "../base/durations.ts";
import { CaxtonError } from "../base/errors.ts";
import type { Client } from "../client/client.ts";

const look_ms = 100;
/** After the drain: the last databases, and the process itself. */
const exitGrace_ms = 30_000;

/** Until the node that answers `client` does so no more. Throws `timeout`. */
export async function untilSilent(client: Client, node: string, drain_ms: number): Promise<void> {
  await until(drain_ms, `Node ${node} left but still answers after`, () =>
    client.system.live().then(
      () => false,
      (error: unknown) => error instanceof CaxtonError && error.code === "unreachable",
    ),
  );
}

/** Until the node that answers `client` knows that `node` has left. Throws `timeout`, and what asking throws. */
export async function untilLeft(client: Client, node: string, drain_ms: number): Promise<void> {
  await until(
    drain_ms,
    `Node ${node} goes on leaving (see: caxton cluster members); it has not left after`,
    async () => {
      const { members } = await client.cluster.members();
      const status = members.find(({ id }) => id === node)?.status;
      return status !== "alive" && status !== "suspect";
    },
  );
}

async function until(drain_ms: number, late: string, isSo: () => Promise<boolean>): Promise<void> {
  const patience_ms = drain_ms + exitGrace_ms;
  const end_ms = performance.now() + patience_ms;
  while (!(await isSo())) {
    if (performance.now() >= end_ms)
      throw new CaxtonError("timeout", `${late} ${formatDuration(patience_ms)}`);
    await pause(look_ms);
  }
}
