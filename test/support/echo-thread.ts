/** A thread for tests: echoes, and fails in the ways that threads fail. */
import type { MessagePortLike } from "../../src/ports/threads.ts";
import { openPort, parentChannel } from "../../src/platform/node/threads.ts";

export type ToEcho =
  | { readonly kind: "echo"; readonly value: unknown }
  | { readonly kind: "throw" | "reject" | "exit" | "finish" }
  | { readonly kind: "port"; readonly port: MessagePortLike };

const parent = parentChannel<ToEcho, unknown>();
parent.post("ready");
parent.receive((message) => {
  switch (message.kind) {
    case "echo":
      parent.post(message.value);
      break;
    case "throw":
      throw new Error("thrown in the thread");
    case "reject":
      void Promise.reject(new Error("rejected in the thread"));
      break;
    case "exit":
      process.exit(3);
      break;
    case "finish":
      parent.close();
      break;
    case "port": {
      const channel = openPort<string, string>(message.port);
      channel.receive((text) => channel.post(`${text}!`));
      break;
    }
  }
});
