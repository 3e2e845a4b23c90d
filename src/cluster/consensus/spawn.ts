/** Starts the raft thread of this process and gives the main side of its channel. */
import { spawnThread } from "../../platform/node/threads.ts";
import type { Thread } from "../../ports/threads.ts";
import type { FromRaft, ToRaft } from "./thread-protocol.ts";

export function spawnRaftWorker(): Thread<FromRaft, ToRaft> {
  const url = new URL("./worker.ts", import.meta.url);
  return spawnThread<FromRaft, ToRaft>(url, { name: "raft" });
}
