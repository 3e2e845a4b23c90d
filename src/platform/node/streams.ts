/**
 * TLS 1.3 over TCP on node:tls, which runs on Bun, Deno and Node. Certificates are judged here on both
 * sides by the identity's `verify`, after the runtime's own check of the chain; nothing is read from or
 * written for a peer before. The dialled side then says so in its first bytes (wire/stream-verdict.ts).
 */
import { isIP } from "node:net";
import type { Server, TlsOptions, TLSSocket } from "node:tls";
import tls from "node:tls";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { Address } from "../../ports/datagrams.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import { listenError } from "./listen-error.ts";
import {
  brokenHandshake,
  type StreamConnection,
  type StreamHandlers,
  type StreamIdentity,
  type StreamListener,
  type Streams,
} from "../../ports/streams.ts";
import { encodeStreamVerdict } from "../../wire/stream-verdict.ts";
import { dial } from "./stream-dial.ts";
import { TlsConnection } from "./stream-connection.ts";
import { judgePeer } from "./stream-judge.ts";
import { leave } from "./stream-leave.ts";

/** A connection that has not shown its certificate by then is closed. */
const handshakeTimeout_ms = 10_000;
/** Connections at once, handshakes included; more are closed by the runtime as they come. */
const connectionLimit = 16_384;

export function openStreams(): Streams {
  return { listen, connect: dial };
}

/** Of a handshake that did not come to its end. */
const brokenCodes = new Set(["ECONNRESET", "EPIPE", "ERR_TLS_HANDSHAKE_TIMEOUT"]);

async function listen(
  local: Address,
  identity: StreamIdentity,
  accept: (connection: StreamConnection) => StreamHandlers,
  refused: (remote: string, reason: string) => void,
): Promise<StreamListener> {
  if (isIP(local.host) === 0) {
    throw new CaxtonError("invalid_argument", `Cannot listen on "${local.host}" (TCP): not an IP address`);
  }
  let current = identity;
  const server = tls.createServer(serverOptions(identity));
  server.maxConnections = connectionLimit;
  server.on("secureConnection", (socket) => admit(socket, current, accept, refused));
  server.on("tlsClientError", (error, socket) => {
    // A socket that has closed already no longer tells its address everywhere.
    const { remoteAddress: host, remotePort: port } = socket;
    const remote = host === undefined || port === undefined ? "unknown" : formatAddress({ host, port });
    const broken = "code" in error && brokenCodes.has(String(error.code));
    refused(remote, broken ? brokenHandshake : `TLS handshake failed: ${reasonOf(error)}`);
    socket.destroy();
  });
  await listening(server, local);
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : local.port;
  return {
    local: { host: local.host, port },
    setIdentity(next) {
      current = next;
      server.setSecureContext(serverOptions(next));
    },
    async close() {
      if (server.listening) server.close();
    },
  };
}

function serverOptions(identity: StreamIdentity): TlsOptions {
  return {
    ca: identity.ca,
    cert: identity.certificate,
    key: identity.key,
    minVersion: "TLSv1.3",
    requestCert: true,
    // Refused in `admit`, where the reason can be told to both sides.
    rejectUnauthorized: false,
    handshakeTimeout: handshakeTimeout_ms,
  };
}

function admit(
  socket: TLSSocket,
  identity: StreamIdentity,
  accept: (connection: StreamConnection) => StreamHandlers,
  refused: (remote: string, reason: string) => void,
): void {
  const remote: Address = { host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
  const verdict = judgePeer(socket, identity);
  if (verdict.kind === "refused") {
    // Whatever still goes wrong while it is told why does not matter any more.
    socket.on("error", () => socket.destroy());
    refused(formatAddress(remote), verdict.reason);
    socket.write(encodeStreamVerdict({ code: verdict.code, reason: verdict.reason }));
    leave(socket);
    return;
  }
  const connection = new TlsConnection(socket, verdict, remote);
  socket.write(encodeStreamVerdict({ code: "accepted", reason: "" }));
  connection.attach(accept(connection));
}

function listening(server: Server, local: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      reject(listenError(local, "TCP", error));
    };
    server.once("error", failed);
    server.listen({ host: local.host, port: local.port, backlog: 1_024 }, () => {
      server.off("error", failed);
      // Accepting can fail later, when descriptors run out; the listener stays and tries again.
      server.on("error", () => {});
      resolve();
    });
  });
}
