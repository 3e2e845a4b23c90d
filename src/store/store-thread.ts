/**
 * The store thread as main sees it: start it, take a client, hand channels to other threads.
 * The engine blocks its thread at every commit, which is why it has one to itself.
 */
import { CaxtonError, isErrorCode } from "../base/errors.ts";
import { createChannel, openPort, spawnThread } from "../platform/node/threads.ts";
import type { MessagePortLike } from "../ports/threads.ts";
import type { EngineOptions } from "./engine.ts";
import { StoreClient } from "./store-client.ts";
import type { StoreReply, StoreRequest } from "./store-protocol.ts";

export type ToStoreWorker =
  | { readonly kind: "open"; readonly path: string; readonly options: EngineOptions }
  | { readonly kind: "serve"; readonly role: "owner" | "client"; readonly port: MessagePortLike };

export type FromStoreWorker =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly code: string; readonly detail: string }
  | { readonly kind: "closed" };

export interface StoreThread {
  /** The owner's: closing it commits what was appended, closes the store and ends the thread. */
  readonly client: StoreClient;
  /** A port for another thread, to be transferred; over there: `new StoreClient(openPort(port))`. */
  connect(): MessagePortLike;
  /**
   * Resolves when the thread has ended: with undefined after `client.close()`, else with what ended it.
   * The owner's client has failed by then; clients elsewhere are told by whoever watches this.
   */
  readonly ended: Promise<CaxtonError | undefined>;
}

/** Opens the store at `path` in its own thread. Throws what `openEngine` throws. */
export async function startStoreThread(path: string, options: EngineOptions = {}): Promise<StoreThread> {
  const thread = spawnThread<FromStoreWorker, ToStoreWorker>(new URL("./store-worker.ts", import.meta.url), {
    name: "store",
  });
  const ended = Promise.withResolvers<CaxtonError | undefined>();
  thread.ended((error) => ended.resolve(failure(error)));
  const answer = new Promise<FromStoreWorker>((resolve) => {
    thread.receive((message) => {
      resolve(message);
      if (message.kind !== "closed") return;
      ended.resolve(undefined);
      void thread.terminate();
    });
  });
  thread.post({ kind: "open", path, options });
  const reply = await Promise.race([answer, ended.promise.then(refusalOf)]);
  if (reply.kind === "refused") {
    void thread.terminate();
    throw new CaxtonError(isErrorCode(reply.code) ? reply.code : "internal", reply.detail);
  }
  const connect = (role: "owner" | "client"): MessagePortLike => {
    const [ours, theirs] = createChannel();
    thread.post({ kind: "serve", role, port: theirs }, [theirs]);
    return ours;
  };
  const client = new StoreClient(openPort<StoreReply, StoreRequest>(connect("owner")));
  void ended.promise.then((error) =>
    client.fail(error ?? new CaxtonError("unavailable", "The store is closed")),
  );
  return { client, connect: () => connect("client"), ended: ended.promise };
}

function failure(cause: Error | undefined): CaxtonError {
  return new CaxtonError("internal", `The store thread failed: ${cause?.message ?? "it ended by itself"}`, {
    cause,
  });
}

function refusalOf(error: CaxtonError | undefined): FromStoreWorker {
  return {
    kind: "refused",
    code: "internal",
    detail: error?.message ?? "The store thread ended while it opened",
  };
}
