/**
 * UDP on node:dgram, which runs on Bun, Deno and Node. Absorbs what the runtimes let through: on Bun a
 * refusal of one destination is reported to, and loses, the next packet to another one; a firewall or a
 * missing route makes `send` fail; a socket without an error listener ends the process.
 */
import dgram from "node:dgram";
import { isIP } from "node:net";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type {
  Address,
  DatagramHandlers,
  Datagrams,
  DatagramSocket,
  SendOutcome,
} from "../../ports/datagrams.ts";
import { listenError } from "./listen-error.ts";

/** UDP over IPv4 carries no more. */
const datagramLimit_bytes = 65_507;
/** What the kernel keeps for a thread that is busy for a moment; less when its own maximum is lower. */
const kernelBuffer_bytes = 2 * 1024 * 1024;
/** Sends handed to the runtime and not completed; beyond this `send` answers "blocked". */
const inFlightLimit = 4_096;
/** Each refusal that was still waiting in the kernel can cost one try. */
const refusedRetries = 8;

export function openDatagrams(): Datagrams {
  return {
    async bind(local, handlers) {
      const family = isIP(local.host);
      if (family === 0) {
        throw new CaxtonError(
          "invalid_argument",
          `Cannot listen on "${local.host}" (UDP): not an IP address`,
        );
      }
      const socket = dgram.createSocket({
        type: family === 6 ? "udp6" : "udp4",
        lookup: addressOnly(family),
      });
      await bound(socket, local);
      return new UdpSocket(socket, family, handlers);
    },
  };
}

class UdpSocket implements DatagramSocket {
  readonly local: Address;
  #open = true;
  #inFlight = 0;

  constructor(
    private readonly socket: dgram.Socket,
    private readonly family: number,
    private readonly handlers: DatagramHandlers,
  ) {
    const { address, port } = socket.address();
    this.local = { host: address, port };
    socket.on("message", (message, from) => {
      handlers.packet({ host: from.address, port: from.port }, ownBytes(message));
    });
    socket.on("error", (error) => {
      handlers.failed?.(undefined, outcomeOfSendError(codeOf(error)), reasonOf(error));
    });
  }

  send(to: Address, bytes: Uint8Array): SendOutcome {
    if (!this.#open) return "closed";
    if (bytes.length > datagramLimit_bytes) return "too_large";
    if (isIP(to.host) !== this.family || !(to.port > 0 && to.port < 65_536)) return "unreachable";
    if (this.#inFlight >= inFlightLimit) return "blocked";
    this.#inFlight++;
    return this.#try(to, bytes, refusedRetries);
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await new Promise<void>((resolve) => this.socket.close(resolve));
  }

  #try(to: Address, bytes: Uint8Array, retries: number): SendOutcome {
    const completed = (error: Error | null): void => {
      if (error === null || error === undefined) this.#inFlight--;
      else if (codeOf(error) === "ECONNREFUSED" && retries > 0 && this.#open)
        this.#try(to, bytes, retries - 1);
      else {
        this.#inFlight--;
        this.handlers.failed?.(to, outcomeOfSendError(codeOf(error)), reasonOf(error));
      }
    };
    try {
      this.socket.send(bytes, to.port, to.host, completed);
      return "sent";
    } catch (error) {
      this.#inFlight--;
      const outcome = outcomeOfSendError(codeOf(error));
      this.handlers.failed?.(to, outcome, reasonOf(error));
      return outcome;
    }
  }
}

/** What an error code of the operating system (or of a runtime that hides it) means for one packet. */
export function outcomeOfSendError(code: string): Exclude<SendOutcome, "sent"> {
  switch (code) {
    case "ECONNREFUSED":
      return "refused";
    case "EPERM":
    case "EACCES":
    case "EAGAIN":
    case "EWOULDBLOCK":
    case "ENOBUFS":
    case "ENOMEM":
      return "blocked";
    case "EMSGSIZE":
      return "too_large";
    case "ERR_SOCKET_DGRAM_NOT_RUNNING":
    case "EBADF":
      return "closed";
    default:
      return "unreachable";
  }
}

function bound(socket: dgram.Socket, local: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      socket.close();
      reject(listenError(local, "UDP", error));
    };
    socket.once("error", failed);
    socket.bind({ address: local.host, port: local.port, exclusive: true }, () => {
      socket.off("error", failed);
      growBuffers(socket);
      resolve();
    });
  });
}

function growBuffers(socket: dgram.Socket): void {
  try {
    socket.setRecvBufferSize(kernelBuffer_bytes);
    socket.setSendBufferSize(kernelBuffer_bytes);
  } catch {
    // A container may forbid it; the kernel's default then stays, which costs packets only under bursts.
  }
}

/** Only addresses are sent to, so nothing ever waits for a name server. */
function addressOnly(family: number): dgram.SocketOptions["lookup"] {
  return (host, _options, found) => found(null, host, family);
}

/** Bytes that nothing else refers to; some runtimes hand out a slice of a large shared buffer. */
function ownBytes(message: Uint8Array): Uint8Array {
  if (message.byteLength === message.buffer.byteLength) return new Uint8Array(message.buffer);
  return new Uint8Array(message);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
