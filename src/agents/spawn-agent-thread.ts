/** Starts an agent thread as a worker. */
import { spawnThread } from "../platform/node/threads.ts";
import type { AgentThreadPort } from "./agent-thread-handle.ts";
import type { FromAgentThread, ToAgentThread } from "./thread/thread-protocol.ts";

export function spawnAgentThread(): AgentThreadPort {
  const url = new URL("./thread/agent-thread-main.ts", import.meta.url);
  return spawnThread<FromAgentThread, ToAgentThread>(url, { name: "agents" });
}
