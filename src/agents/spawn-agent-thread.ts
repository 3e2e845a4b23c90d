/** Starts an agent thread as a worker of node:worker_threads (Bun, Deno, Node). */
import { Worker } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import type { AgentThreadPort } from "./agent-thread-handle.ts";
import type { FromAgentThread } from "./thread-protocol.ts";

export function spawnAgentThread(): AgentThreadPort {
  const worker = new Worker(new URL("./agent-thread-main.ts", import.meta.url));
  let failure: Error | undefined;
  // Without a listener an error of the worker would end the whole process.
  worker.on("error", (error: unknown) => {
    failure = error instanceof Error ? error : new Error(String(error));
  });
  let receiving = false;
  return {
    post: (message, transfer) => worker.postMessage(message, transfer as never),
    receive: (handler) => {
      assert(!receiving, "a channel has one receiver");
      receiving = true;
      worker.on("message", (message: FromAgentThread) => handler(message));
    },
    close: () => void worker.terminate(),
    ended: (handler) => worker.once("exit", () => handler(failure)),
    terminate: async () => {
      await worker.terminate();
    },
  };
}
