/** What only real sockets meet: peers that do not speak TLS, or not ours. */
import net from "node:net";
import tls from "node:tls";
import { afterEach, expect, test } from "vitest";
import { parseNodeId } from "../../../src/base/ids.ts";
import { systemClock } from "../../../src/platform/node/clock.ts";
import { systemEntropy } from "../../../src/platform/node/entropy.ts";
import { openStreams } from "../../../src/platform/node/streams.ts";
import { brokenHandshake, type StreamHandlers } from "../../../src/ports/streams.ts";
import {
  certificateAuthority,
  issueServerCertificate,
  nodeIdentity,
} from "../../../src/security/certificates.ts";
import { patience_ms } from "../../support/patience.ts";
import { until } from "../../support/until.ts";

const world = { clock: systemClock, entropy: systemEntropy };
const authority = certificateAuthority(new Uint8Array(32).fill(1));
const identity = (node: string) => nodeIdentity(authority, parseNodeId(node), "prod", world);
const deaf: StreamHandlers = { data: () => {}, drain: () => {}, close: () => {} };

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function listen() {
  const refused: string[] = [];
  let accepted = 0;
  const listener = await openStreams().listen(
    { host: "127.0.0.1", port: 0 },
    identity("server"),
    (connection) => {
      accepted++;
      closing.push(() => connection.destroy());
      return deaf;
    },
    (_remote, reason) => refused.push(reason),
  );
  closing.push(() => listener.close());
  return { port: listener.local.port, refused, accepted: () => accepted };
}

/** A TCP server that does with each connection what it is told. */
async function server(serve: (socket: net.Socket) => void): Promise<{ host: string; port: number }> {
  const sockets: net.Socket[] = [];
  const listener = net.createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy());
    serve(socket);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  return { host: "127.0.0.1", port: (listener.address() as net.AddressInfo).port };
}

test.each([
  ["an HTTP request", "GET / HTTP/1.1\r\nhost: x\r\n\r\n", "TLS handshake failed: "],
  ["random bytes", Buffer.from([9, ...systemEntropy.bytes(2_000)]), "TLS handshake failed: "],
  ["half a TLS record", Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0]), brokenHandshake],
  ["nothing", Buffer.alloc(0), brokenHandshake],
])("%s at the listener is told and the next node is still served", async (_what, bytes, reason) => {
  const { port, refused, accepted } = await listen();
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.end(bytes);
  closing.push(() => socket.destroy());
  await until(() => refused.length > 0);
  expect(refused[0]).toContain(reason);
  const connection = await openStreams().connect(
    { host: "127.0.0.1", port },
    identity("client"),
    { timeout_ms: patience_ms },
    deaf,
  );
  closing.push(() => connection.destroy());
  expect(accepted()).toBe(1);
});

test.each([
  ["no certificate", {}, "no certificate"],
  [
    "a certificate of the API listener",
    (() => {
      const issued = issueServerCertificate(authority, ["localhost"], world);
      return { cert: issued.certificate, key: issued.key };
    })(),
    "not one of a node",
  ],
])("a TLS client with %s is refused", async (_what, shown, reason) => {
  const { port, refused, accepted } = await listen();
  const socket = tls.connect({
    port,
    host: "127.0.0.1",
    ca: authority.pem,
    rejectUnauthorized: false,
    ...shown,
  });
  socket.on("error", () => {});
  closing.push(() => socket.destroy());
  await until(() => refused.length === 1);
  expect(refused[0]).toContain(reason);
  expect(accepted()).toBe(0);
});

test("a client of TLS 1.2 is refused", async () => {
  const { port, refused, accepted } = await listen();
  const { certificate, key } = identity("client");
  const socket = tls.connect({
    port,
    host: "127.0.0.1",
    ca: authority.pem,
    cert: certificate,
    key,
    maxVersion: "TLSv1.2",
    rejectUnauthorized: false,
  });
  socket.on("error", () => {});
  closing.push(() => socket.destroy());
  await until(() => refused.length === 1);
  expect(accepted()).toBe(0);
});

test("dialling what does not speak TLS, says nothing, or hangs up is a clear error", async () => {
  const dial = (to: { host: string; port: number }, timeout_ms: number) =>
    openStreams().connect(to, identity("client"), { timeout_ms }, deaf);
  const plain = await server((socket) => void socket.end("220 mail.example.org\r\n"));
  const silent = await server(() => {});
  const hangup = await server((socket) => void socket.destroy());
  await expect(dial(plain, patience_ms)).rejects.toMatchObject({ code: "unreachable" });
  await expect(dial(silent, 50)).rejects.toMatchObject({
    code: "timeout",
    message: `Cannot connect to 127.0.0.1:${silent.port}: timed out after 50 ms`,
  });
  await expect(dial(hangup, patience_ms)).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringContaining("closed during the handshake"),
  });
  await expect(dial({ host: "localhost", port: 1 }, patience_ms)).rejects.toMatchObject({
    code: "unreachable",
  });
});

test("a peer with a good certificate that talks another protocol is a clear error", async () => {
  const { certificate, key, ca } = identity("server");
  const listener = tls.createServer({ cert: certificate, key, ca, requestCert: true }, (socket) => {
    socket.on("error", () => {});
    socket.write("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  closing.push(() => listener.close());
  const to = { host: "127.0.0.1", port: (listener.address() as net.AddressInfo).port };
  await expect(
    openStreams().connect(to, identity("client"), { timeout_ms: patience_ms }, deaf),
  ).rejects.toMatchObject({
    code: "unreachable",
    message: expect.stringContaining("not of our protocol"),
  });
});

test("a stranger without a certificate who never closes its side is closed all the same", async () => {
  const { port, refused } = await listen();
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  const stranger = tls.connect({ socket, rejectUnauthorized: false });
  closing.push(() => stranger.destroy());
  let ended = false;
  stranger.on("error", () => (ended = true));
  stranger.on("end", () => {});
  stranger.resume();
  await until(() => refused.includes("it showed no certificate"));
  // Only a closed socket answers what is written to it with a reset.
  await until(() => {
    if (!ended) stranger.write("still here");
    return ended || stranger.destroyed;
  });
});
