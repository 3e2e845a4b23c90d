/**
 * The entry of the preparing thread: prepares a module, has the engine validate the result (types
 * are checked there), and answers. It keeps nothing between modules.
 */
import { parentPort } from "node:worker_threads";
import { present } from "../base/assert.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { prepareModule } from "./prepare.ts";
import type { PreparedModule } from "./prepare.ts";
import type { PrepareReply, PrepareRequest } from "./prepare-protocol.ts";

const port = present(parentPort, "the port of the parent thread");

port.on("message", (request: PrepareRequest) => {
  try {
    const prepared = prepareModule(request.bytes, request.options);
    validate(prepared);
    const reply: PrepareReply = { kind: "prepared", prepared };
    port.postMessage(reply, [prepared.instrumented.buffer]);
  } catch (thrown) {
    const code = thrown instanceof CaxtonError ? thrown.code : "internal";
    const reply: PrepareReply = { kind: "refused", code, detail: reasonOf(thrown) };
    port.postMessage(reply);
  }
});

/** Type errors of the guest's code are the engine's to find; offsets in its text are of the metered module. */
function validate(prepared: PreparedModule): void {
  try {
    // oxlint-disable-next-line no-new -- only whether it can be made matters here
    new WebAssembly.Module(prepared.instrumented);
  } catch (thrown) {
    const reason = reasonOf(thrown).slice(0, 400);
    throw new CaxtonError("invalid_module", `Module refused: it is not valid WebAssembly: ${reason}`, {
      cause: thrown,
    });
  }
}
