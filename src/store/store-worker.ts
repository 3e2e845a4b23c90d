/** The entry of the store thread: opens the store it is told to, answers `opened` or why not, then serves channels. */
import { present } from "../base/assert.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { systemClock } from "../platform/node/clock.ts";
import { openDatabases } from "../platform/node/database.ts";
import { openPort, parentChannel } from "../platform/node/threads.ts";
import { openEngine } from "./engine.ts";
import { StoreServer } from "./server.ts";
import type { StoreReply, StoreRequest } from "./store-protocol.ts";
import type { FromStoreWorker, ToStoreWorker } from "./store-thread.ts";

const parent = parentChannel<ToStoreWorker, FromStoreWorker>();
let server: StoreServer | undefined;

parent.receive((message) => {
  if (message.kind === "serve") {
    const channel = openPort<StoreRequest, StoreReply>(message.port);
    present(server, "the store, opened before it is used").serve(channel, message.role);
    return;
  }
  try {
    const engine = openEngine(openDatabases(), message.path, message.options);
    const world = { clock: systemClock, soon: (callback: () => void) => void setImmediate(callback) };
    server = new StoreServer(engine, world, () => parent.post({ kind: "closed" }));
    parent.post({ kind: "opened" });
  } catch (thrown) {
    const code = thrown instanceof CaxtonError ? thrown.code : "internal";
    parent.post({ kind: "refused", code, detail: reasonOf(thrown) });
  }
});
