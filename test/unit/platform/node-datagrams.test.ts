/** What only real UDP sockets do: the errors of the operating system. */
import { afterEach, expect, test } from "vitest";
import { openDatagrams, outcomeOfSendError } from "../../../src/platform/node/datagrams.ts";
import type { Address, DatagramSocket, SendOutcome } from "../../../src/ports/datagrams.ts";
import { until } from "../../support/until.ts";

const opened: DatagramSocket[] = [];
afterEach(async () => {
  for (const socket of opened.splice(0)) await socket.close();
});

async function bind(host = "127.0.0.1") {
  const packets: Uint8Array[] = [];
  const failures: { to: Address | undefined; outcome: SendOutcome }[] = [];
  const socket = await openDatagrams().bind(
    { host, port: 0 },
    {
      packet: (_from, bytes) => packets.push(bytes),
      refused: () => {},
      failed: (to, outcome) => failures.push({ to, outcome }),
    },
  );
  opened.push(socket);
  return { socket, packets, failures };
}

test.each([
  ["ECONNREFUSED", "refused"],
  ["EPERM", "blocked"],
  ["EACCES", "blocked"],
  ["EAGAIN", "blocked"],
  ["ENOBUFS", "blocked"],
  ["EMSGSIZE", "too_large"],
  ["ENETUNREACH", "unreachable"],
  ["EHOSTUNREACH", "unreachable"],
  ["ENETDOWN", "unreachable"],
  ["EINVAL", "unreachable"],
  ["UNKNOWN", "unreachable"],
  ["ERR_SOCKET_DGRAM_NOT_RUNNING", "closed"],
])("the operating system's %s means %s", (code, outcome) => {
  expect(outcomeOfSendError(code)).toBe(outcome);
});

test("a packet that the system forbids or has no route for is reported, and the next one arrives", async () => {
  const [a, b] = [await bind(), await bind()];
  // Broadcast without permission, and an address of the reserved block.
  for (const host of ["255.255.255.255", "240.0.0.1"]) a.socket.send({ host, port: 9 }, new Uint8Array(8));
  a.socket.send(b.socket.local, new Uint8Array(8));
  await until(() => b.packets.length === 1 && a.failures.length === 2);
  expect(a.failures.map(({ to }) => to?.host).sort()).toEqual(["240.0.0.1", "255.255.255.255"]);
});

test("names, other address families and impossible ports are refused without a look-up", async () => {
  const { socket } = await bind();
  expect(socket.send({ host: "localhost", port: 9 }, new Uint8Array(1))).toBe("unreachable");
  expect(socket.send({ host: "::1", port: 9 }, new Uint8Array(1))).toBe("unreachable");
  expect(socket.send({ host: "127.0.0.1", port: 0 }, new Uint8Array(1))).toBe("unreachable");
  expect(socket.send({ host: "127.0.0.1", port: 65_536 }, new Uint8Array(1))).toBe("unreachable");
});

test("binding to a name or to an address of another machine is a clear error", async () => {
  await expect(bind("localhost")).rejects.toMatchObject({ code: "invalid_argument" });
  await expect(bind("192.0.2.1")).rejects.toMatchObject({
    code: "port_in_use",
    message: "Cannot listen on 192.0.2.1:0 (UDP): this machine has no such address",
  });
});

test("more sends at once than the bound are answered as blocked; when they are out it sends again", async () => {
  const [a, b] = [await bind(), await bind()];
  const send = (): SendOutcome => a.socket.send(b.socket.local, new Uint8Array(16));
  const outcomes = Array.from({ length: 5_000 }, send);
  expect(outcomes.indexOf("blocked")).toBe(4_096);
  expect(outcomes.slice(0, 4_096).every((outcome) => outcome === "sent")).toBe(true);
  await until(() => send() === "sent");
  await until(() => b.packets.length > 0);
});
