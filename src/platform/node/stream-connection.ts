/** One established connection over a TLS socket, as the `Streams` port shows it. */
import type { TLSSocket } from "node:tls";
import { reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Address } from "../../ports/datagrams.ts";
import type { StreamConnection, StreamHandlers } from "../../ports/streams.ts";
import { leave } from "./stream-leave.ts";

/** The kernel asks a silent peer by itself, too: the last resort below the frames' own keep-alive. */
const kernelKeepAlive_ms = 15_000;
/** What was written before the end has this long to go out. */
const end_ms = 10_000;

export class TlsConnection implements StreamConnection {
  readonly peer: NodeId;
  readonly serial: string;
  #reason: string | undefined;

  constructor(
    private readonly socket: TLSSocket,
    verdict: { readonly node: NodeId; readonly serial: string },
    readonly remote: Address,
  ) {
    this.peer = verdict.node;
    this.serial = verdict.serial;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, kernelKeepAlive_ms);
    socket.on("error", (error) => (this.#reason ??= reasonOf(error)));
  }

  /** From now on bytes flow to the handlers. */
  attach(handlers: StreamHandlers): void {
    const { socket } = this;
    socket.on("drain", () => handlers.drain());
    socket.on("close", () => handlers.close(this.#reason));
    socket.on("data", (chunk: Uint8Array) => {
      handlers.data(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
  }

  write(bytes: Uint8Array): boolean {
    return !this.socket.destroyed && !this.socket.writableEnded && this.socket.write(bytes);
  }

  get buffered_bytes(): number {
    return this.socket.writableLength;
  }

  end(): void {
    leave(this.socket, end_ms);
  }

  destroy(): void {
    this.socket.destroy();
  }
}
