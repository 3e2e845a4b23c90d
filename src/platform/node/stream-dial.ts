/** The dialling side of a TLS stream: connect, judge the peer's certificate, and wait for its verdict on ours. */
import type { TLSSocket } from "node:tls";
import tls from "node:tls";
import { isIP } from "node:net";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Address } from "../../ports/datagrams.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import {
  refusedReason,
  type StreamConnection,
  type StreamHandlers,
  type StreamIdentity,
} from "../../ports/streams.ts";
import { decodeStreamVerdict } from "../../wire/stream-verdict.ts";
import { judgePeer } from "./stream-judge.ts";
import { TlsConnection } from "./stream-connection.ts";
import { leave } from "./stream-leave.ts";

export interface DialOptions {
  readonly timeout_ms: number;
  readonly expect?: NodeId;
}

/** `Streams.connect`. */
export function dial(
  to: Address,
  identity: StreamIdentity,
  options: DialOptions,
  handlers: StreamHandlers,
): Promise<StreamConnection> {
  if (isIP(to.host) === 0 || !(to.port > 0 && to.port < 65_536)) {
    const error = new CaxtonError(
      "unreachable",
      `Cannot connect to ${formatAddress(to)}: not an IP address and port`,
    );
    return Promise.reject(error);
  }
  return new Promise((resolve, reject) => {
    new Dialling(to, identity, options, handlers, resolve, reject).start();
  });
}

class Dialling {
  #socket: TLSSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #received: Uint8Array = new Uint8Array(0);
  #ended = false;

  constructor(
    private readonly to: Address,
    private readonly identity: StreamIdentity,
    private readonly options: DialOptions,
    private readonly handlers: StreamHandlers,
    private readonly resolve: (connection: StreamConnection) => void,
    private readonly reject: (error: CaxtonError) => void,
  ) {}

  start(): void {
    const { to, identity, options } = this;
    const socket = tls.connect({
      host: to.host,
      port: to.port,
      ca: identity.ca,
      cert: identity.certificate,
      key: identity.key,
      minVersion: "TLSv1.3",
      // Judged in `#secured`: names are node ids, not host names, and the reason is to be told.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    this.#socket = socket;
    this.#timer = setTimeout(
      () => this.#fail("timeout", `timed out after ${options.timeout_ms} ms`),
      options.timeout_ms,
    );
    socket.on("error", (error) => this.#fail("unreachable", connectReason(error)));
    socket.on("close", () => this.#fail("unreachable", "the connection was closed during the handshake"));
    socket.once("secureConnect", () => this.#secured(socket));
  }

  #secured(socket: TLSSocket): void {
    const verdict = judgePeer(socket, this.identity);
    if (verdict.kind === "refused") {
      this.#fail(verdict.code, verdict.reason);
      return;
    }
    const { expect } = this.options;
    if (expect !== undefined && verdict.node !== expect) {
      this.#fail("unreachable", `it is node "${verdict.node}", not "${expect}"`);
      return;
    }
    const connection = new TlsConnection(socket, verdict, this.to);
    const read = (chunk: Uint8Array): void => {
      const rest = this.#verdictOfPeer(chunk);
      if (rest === undefined || this.#ended) return;
      socket.off("data", read);
      this.#finish();
      connection.attach(this.handlers);
      this.resolve(connection);
      if (rest.length > 0) this.handlers.data(rest);
    };
    socket.on("data", read);
  }

  /** What came after an accepting verdict; undefined when it is not complete, or refuses. */
  #verdictOfPeer(chunk: Uint8Array): Uint8Array | undefined {
    const bytes = new Uint8Array(this.#received.length + chunk.length);
    bytes.set(this.#received);
    bytes.set(chunk, this.#received.length);
    this.#received = bytes;
    try {
      const decoded = decodeStreamVerdict(bytes);
      if (decoded === undefined) return undefined;
      const { verdict, length } = decoded;
      if (verdict.code === "accepted") return bytes.slice(length);
      this.#fail(verdict.code, `the peer refused this node: ${verdict.reason}`);
    } catch (error) {
      this.#fail("unreachable", `its first bytes are not of our protocol: ${reasonOf(error)}`);
    }
    return undefined;
  }

  /** The socket is handed over; from here on its errors belong to the connection. */
  #finish(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #fail(code: "unreachable" | "timeout" | "wrong_key" | "wrong_cluster", reason: string): void {
    if (this.#ended) return;
    this.#finish();
    // In order when the peer is there: it still judges our certificate, and reports what it finds.
    if (this.#socket && (code === "wrong_key" || code === "wrong_cluster")) leave(this.#socket);
    else this.#socket?.destroy();
    this.reject(new CaxtonError(code, `Cannot connect to ${formatAddress(this.to)}: ${reason}`));
  }
}

function connectReason(error: Error): string {
  const code = "code" in error ? String(error.code) : "";
  switch (code) {
    case "ECONNREFUSED":
      return refusedReason;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "no route";
    case "ECONNRESET":
    case "EPIPE":
      return "the connection was closed during the handshake";
    default:
      return reasonOf(error);
  }
}
