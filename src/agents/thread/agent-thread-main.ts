/** The entry of an agent thread: joins `AgentThread` to the worker's channel, the store's port and the real clock. */
import { present } from "../../base/assert.ts";
import { LeaseGate } from "../../cluster/leases/cell.ts";
import { openBootClock } from "../../platform/bun/boot-clock.ts";
import { systemClock } from "../../platform/node/clock.ts";
import { openPort, parentChannel } from "../../platform/node/threads.ts";
import { StoreClient } from "../../store/store-client.ts";
import type { StoreReply, StoreRequest } from "../../store/store-protocol.ts";
import { AgentThread } from "./agent-thread.ts";
import { ThreadMemory } from "../memory-budget.ts";
import type { FromAgentThread, ToAgentThread } from "./thread-protocol.ts";
import { WasmModules } from "./wasm-modules.ts";

const parent = parentChannel<ToAgentThread, FromAgentThread>();
let thread: AgentThread | undefined;

parent.receive((message) => {
  if (message.kind !== "init") {
    present(thread, "the thread, told its node first").receive(message);
    return;
  }
  const lease = new LeaseGate(message.lease, openBootClock());
  lease.admit(message.tenure);
  thread = new AgentThread({
    lease,
    node: message.node,
    seed: message.seed,
    store: new StoreClient(openPort<StoreReply, StoreRequest>(message.store)),
    clock: systemClock,
    modules: new WasmModules(new ThreadMemory(message.memory, message.thread)),
    soon: (callback) => void setImmediate(callback),
    post: (answer, transfer) => parent.post(answer, transfer),
  });
  parent.post({ kind: "ready" });
});
