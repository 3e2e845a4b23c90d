/**
 * The store thread as main sees it: start it, take a client, hand channels to other threads.
 * The engine blocks its thread at every commit, which is why it has one to itself.
 */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { CaxtonError, isErrorCode } from "../base/errors.ts";
import type { EngineOptions } from "./engine.ts";
import { channelOfPort } from "./port-channel.ts";
import { StoreClient } from "./store-client.ts";

export type ToStoreWorker =
  | { readonly kind: "open"; readonly path: string; readonly options: EngineOptions }
  | { readonly kind: "serve"; readonly role: "owner" | "client"; readonly port: MessagePort };

export type FromStoreWorker =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly code: string; readonly detail: string }
  | { readonly kind: "closed" };

export interface StoreThread {
  /** The owner's: closing it commits what was appended, closes the store and ends the thread. */
  readonly client: StoreClient;
  /** A port for another thread, to be transferred; over there: `new StoreClient(channelOfPort(port))`. */
  connect(): MessagePort;
  /**
   * Resolves when the thread has ended: with undefined after `client.close()`, else with what ended it.
   * The owner's client has failed by then; clients elsewhere are told by whoever watches this.
   */
  readonly ended: Promise<CaxtonError | undefined>;
}

/** Opens the store at `path` in its own thread. Throws what `openEngine` throws. */
export async function startStoreThread(path: string, options: EngineOptions = {}): Promise<StoreThread> {
  const worker = new Worker(new URL("./store-worker.ts", import.meta.url));
  const ended = Promise.withResolvers<CaxtonError | undefined>();
  worker.once("error", (error: Error) => ended.resolve(failure(error.message, error)));
  worker.once("exit", (code) => ended.resolve(failure(`it ended with code ${code}`)));
  const answer = new Promise<FromStoreWorker>((resolve) => {
    worker.on("message", (message: FromStoreWorker) => {
      resolve(message);
      if (message.kind !== "closed") return;
      ended.resolve(undefined);
      void worker.terminate();
    });
  });
  post(worker, { kind: "open", path, options });
  const reply = await Promise.race([answer, ended.promise.then(refusalOf)]);
  if (reply.kind === "refused") {
    void worker.terminate();
    throw new CaxtonError(isErrorCode(reply.code) ? reply.code : "internal", reply.detail);
  }
  const connect = (role: "owner" | "client"): MessagePort => {
    const { port1, port2 } = new MessageChannel();
    post(worker, { kind: "serve", role, port: port2 });
    return port1;
  };
  const client = new StoreClient(channelOfPort(connect("owner")));
  void ended.promise.then((error) => client.fail(error ?? new CaxtonError("unavailable", "The store is closed")));
  return { client, connect: () => connect("client"), ended: ended.promise };
}

function failure(reason: string, cause?: unknown): CaxtonError {
  return new CaxtonError("internal", `The store thread failed: ${reason}`, { cause });
}

function refusalOf(error: CaxtonError | undefined): FromStoreWorker {
  return { kind: "refused", code: "internal", detail: error?.message ?? "The store thread ended while it opened" };
}

function post(worker: Worker, message: ToStoreWorker): void {
  worker.postMessage(message, message.kind === "serve" ? [message.port] : []);
}
