/** Starts the gossip thread of this process and gives the main side of its channel. */
import { lookup } from "node:dns/promises";
import { Worker } from "node:worker_threads";
import type { Thread } from "../ports/threads.ts";
import type { FromGossip, ToGossip } from "./gossip-thread-protocol.ts";

export type GossipWorker = Thread<FromGossip, ToGossip>;

export function spawnGossipWorker(): GossipWorker {
  const worker = new Worker(new URL("./gossip-worker.ts", import.meta.url));
  const ended = Promise.withResolvers<Error | undefined>();
  // Without an error listener a thread's failure would end the whole process.
  worker.on("error", (error: Error) => ended.resolve(error));
  worker.on("exit", () => ended.resolve(undefined));
  return {
    post: (message) => worker.postMessage(message),
    receive: (handler) => {
      worker.on("message", (message: FromGossip) => handler(message));
    },
    close: () => void worker.terminate(),
    ended: (handler) => void ended.promise.then(handler),
    terminate: async () => {
      await worker.terminate();
    },
  };
}

/** The first address of a host name, as the system resolves it. Rejects when it has none. */
export async function resolveHost(name: string): Promise<string> {
  const { address } = await lookup(name);
  return address;
}
