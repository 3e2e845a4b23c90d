/**
 * Threads on node:worker_threads, which runs on Bun, Deno and Node. A thread's failure never ends the
 * process and never passes in silence: it comes to `ended`, once, whatever its kind.
 */
import { MessageChannel, type MessagePort, parentPort, type Transferable, Worker } from "node:worker_threads";
import { assert, present } from "../../base/assert.ts";
import { handAll } from "../../base/hand-all.ts";
import type { Channel, MessagePortLike, Thread } from "../../ports/threads.ts";

/** Messages kept until `receive` is called; more means that it was forgotten. */
const unreceivedLimit = 65_536;

/** Starts the module at `url` as a thread. Loading and running errors come to `ended`. */
export function spawnThread<In, Out>(url: URL, options: { readonly name?: string } = {}): Thread<In, Out> {
  const name = options.name ?? "thread";
  const worker = new Worker(url, { name });
  let terminated = false;
  let failure: Error | undefined;
  let end: { readonly error: Error | undefined } | undefined;
  let tell: ((error: Error | undefined) => void) | undefined;
  worker.on("error", (thrown: unknown) => {
    failure ??= thrown instanceof Error ? thrown : new Error(String(thrown));
  });
  worker.on("messageerror", (error: Error) => {
    failure ??= error;
    void worker.terminate();
  });
  worker.on("exit", (code) => {
    if (end) return;
    if (code !== 0 && !terminated) failure ??= new Error(`Thread "${name}" ended with exit code ${code}`);
    end = { error: failure };
    tell?.(failure);
  });
  return {
    ...channelOver<In, Out>(worker, () => {
      terminated = true;
      void worker.terminate();
    }),
    ended(handler) {
      assert(tell === undefined, "a thread's end has one handler");
      tell = handler;
      if (end) handler(end.error);
    },
    async terminate() {
      terminated = true;
      await worker.terminate();
    },
  };
}

/** The channel to the thread that started this one. Only inside a thread. */
export function parentChannel<In, Out>(): Channel<In, Out> {
  const port = present(parentPort, "the port to the parent thread");
  return channelOver<In, Out>(port, () => port.close());
}

/** Two ports that are connected: each can be posted, as message and as transfer, to another thread. */
export function createChannel(): readonly [MessagePortLike, MessagePortLike] {
  const { port1, port2 } = new MessageChannel();
  return [port1, port2];
}

/** A channel over a port that came from `createChannel`, in the thread that owns it now. */
export function openPort<In, Out>(port: MessagePortLike): Channel<In, Out> {
  const own = port as unknown as MessagePort;
  return channelOver<In, Out>(own, () => own.close());
}

function channelOver<In, Out>(port: Worker | MessagePort, close: () => void): Channel<In, Out> {
  let handler: ((message: In) => void) | undefined;
  let early: In[] = [];
  const received = (message: In): void => {
    if (handler) handler(message);
    else {
      assert(early.length < unreceivedLimit, `at most ${unreceivedLimit} messages before a receiver`);
      early.push(message);
    }
  };
  port.on("message", received);
  return {
    post: (message, transfer) => port.postMessage(message, [...(transfer ?? [])] as Transferable[]),
    receive(next) {
      assert(handler === undefined, "a channel has one receiver");
      handler = next;
      const kept = early;
      early = [];
      handAll(kept, next);
    },
    close,
  };
}
