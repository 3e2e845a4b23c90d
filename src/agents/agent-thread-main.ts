/** The entry of an agent thread: joins `AgentThread` to the worker's channel, the store's port and the real clock. */
import { parentPort, type MessagePort } from "node:worker_threads";
import { present } from "../base/assert.ts";
import { systemClock } from "../platform/node/clock.ts";
import { channelOfPort } from "../store/port-channel.ts";
import { StoreClient } from "../store/store-client.ts";
import type { StoreReply, StoreRequest } from "../store/store-protocol.ts";
import { AgentThread } from "./agent-thread.ts";
import type { FromAgentThread, ToAgentThread } from "./thread-protocol.ts";
import { WasmModules } from "./wasm-modules.ts";

const parent = channelOfPort<ToAgentThread, FromAgentThread>(
  present(parentPort, "the port of the parent thread"),
);
let thread: AgentThread | undefined;

parent.receive((message) => {
  if (message.kind !== "init") {
    present(thread, "the thread, told its node first").receive(message);
    return;
  }
  thread = new AgentThread({
    node: message.node,
    seed: message.seed,
    store: new StoreClient(channelOfPort<StoreReply, StoreRequest>(message.store as unknown as MessagePort)),
    clock: systemClock,
    modules: new WasmModules(),
    soon: (callback) => void setImmediate(callback),
    post: (answer, transfer) => parent.post(answer, transfer),
  });
  parent.post({ kind: "ready" });
});
