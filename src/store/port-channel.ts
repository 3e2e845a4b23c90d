/** A `Channel` over a message port of node:worker_threads (Bun, Deno, Node). */
import type { MessagePort } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import type { Channel } from "../ports/threads.ts";

export function channelOfPort<In, Out>(port: MessagePort): Channel<In, Out> {
  let receiving = false;
  return {
    post: (message, transfer) => port.postMessage(message, transfer as never),
    receive: (handler) => {
      assert(!receiving, "a channel has one receiver");
      receiving = true;
      port.on("message", (message: In) => handler(message));
    },
    close: () => port.close(),
  };
}
