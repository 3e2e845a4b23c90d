/** The orderly end of a TLS socket, which does not depend on the other end: who never closes its side is closed. */
import type { TLSSocket } from "node:tls";

/** For what is still to be written, and for the other end to close its side. */
export const leave_ms = 1_000;

export function leave(socket: TLSSocket, within_ms = leave_ms): void {
  socket.end();
  const timer = setTimeout(() => socket.destroy(), within_ms);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
}
