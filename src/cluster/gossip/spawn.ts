/** Starts the gossip thread of this process and gives the main side of its channel. */
import { lookup } from "node:dns/promises";
import { handAll } from "../../base/hand-all.ts";
import { spawnThread } from "../../platform/node/threads.ts";
import type { Thread } from "../../ports/threads.ts";
import type { FromGossip, ToGossip } from "./thread-protocol.ts";

export type GossipWorker = Thread<FromGossip, ToGossip>;

export function spawnGossipWorker(): GossipWorker {
  const url = new URL("./worker.ts", import.meta.url);
  const thread = spawnThread<readonly FromGossip[], ToGossip>(url, { name: "gossip" });
  return { ...thread, receive: (handler) => thread.receive((messages) => handAll(messages, handler)) };
}

/** The first address of a host name, as the system resolves it. Rejects when it has none. */
export async function resolveHost(name: string): Promise<string> {
  const { address } = await lookup(name);
  return address;
}
