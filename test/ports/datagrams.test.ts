/** One suite for every implementation of the datagram port. */
import { afterEach, describe, expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { VirtualClock } from "../../src/platform/memory/clock.ts";
import { memoryDatagrams } from "../../src/platform/memory/datagrams.ts";
import { MemoryNetwork } from "../../src/platform/memory/network.ts";
import { openDatagrams } from "../../src/platform/node/datagrams.ts";
import type { Address, Datagrams, DatagramSocket, SendOutcome } from "../../src/ports/datagrams.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/until.ts";

interface Subject {
  readonly datagrams: Datagrams;
  readonly until: (condition: () => boolean) => Promise<void>;
}

const subjects: Record<string, () => Subject> = {
  "node:dgram": () => ({ datagrams: openDatagrams(), until }),
  memory: () => {
    const clock = new VirtualClock();
    const network = new MemoryNetwork(clock, new Prng(1));
    return {
      datagrams: memoryDatagrams(network),
      until: async (condition) => expect(await clock.runUntilSettled(condition, 10_000)).toBe(true),
    };
  },
};

interface Bound {
  readonly socket: DatagramSocket;
  readonly packets: { from: Address; text: string }[];
  readonly failures: SendOutcome[];
}

const opened: DatagramSocket[] = [];
afterEach(async () => {
  for (const socket of opened.splice(0)) await socket.close();
});

async function bind({ datagrams }: Subject, port = 0): Promise<Bound> {
  const packets: Bound["packets"] = [];
  const failures: SendOutcome[] = [];
  const socket = await datagrams.bind(
    { host: "127.0.0.1", port },
    {
      packet: (from, bytes) => packets.push({ from, text: new TextDecoder().decode(bytes) }),
      refused: () => {},
      failed: (_to, outcome) => failures.push(outcome),
    },
  );
  opened.push(socket);
  return { socket, packets, failures };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.each(Object.entries(subjects))("datagrams: %s", (_name, make) => {
  test("a packet arrives with its sender's address, and can be answered", async () => {
    const subject = make();
    const [a, b] = [await bind(subject), await bind(subject)];
    expect(a.socket.local.port).toBeGreaterThan(0);
    expect(a.socket.send(b.socket.local, bytes("hello"))).toBe("sent");
    await subject.until(() => b.packets.length === 1);
    expect(b.packets[0]).toEqual({ from: a.socket.local, text: "hello" });
    b.socket.send(a.socket.local, bytes("back"));
    await subject.until(() => a.packets.length === 1);
    expect(a.packets[0]).toEqual({ from: b.socket.local, text: "back" });
  });

  test("a dead port never costs a packet to a healthy one", async () => {
    const subject = make();
    const [a, b, gone] = [await bind(subject), await bind(subject), await bind(subject)];
    await gone.socket.close();
    for (let round = 0; round < 50; round++) {
      a.socket.send(gone.socket.local, bytes("lost"));
      a.socket.send(b.socket.local, bytes(`healthy ${round}`));
    }
    await subject.until(() => b.packets.length === 50);
    expect(new Set(b.packets.map((packet) => packet.text)).size).toBe(50);
  });

  test("the received bytes are the receiver's to keep", async () => {
    const subject = make();
    const a = await bind(subject);
    const kept: Uint8Array[] = [];
    const b = await subject.datagrams.bind(
      { host: "127.0.0.1", port: 0 },
      {
        packet: (_from, packet) => kept.push(packet),
        refused: () => {},
      },
    );
    opened.push(b);
    for (let i = 0; i < 20; i++) a.socket.send(b.local, new Uint8Array(100).fill(i));
    await subject.until(() => kept.length === 20);
    expect(kept.map((packet) => packet[99]).sort((x, y) => Number(x) - Number(y))).toEqual(
      Array.from({ length: 20 }, (_, i) => i),
    );
    expect(kept.every((packet) => packet.buffer.byteLength === 100)).toBe(true);
  });

  test("an oversized packet is refused at once and harms nothing", async () => {
    const subject = make();
    const [a, b] = [await bind(subject), await bind(subject)];
    expect(a.socket.send(b.socket.local, new Uint8Array(65_508))).toBe("too_large");
    a.socket.send(b.socket.local, bytes("after"));
    await subject.until(() => b.packets.length === 1);
  });

  test("a taken port is an error with its address in it", async () => {
    const subject = make();
    const a = await bind(subject);
    await expect(bind(subject, a.socket.local.port)).rejects.toMatchObject({
      code: "port_in_use",
      message: `Cannot listen on 127.0.0.1:${a.socket.local.port} (UDP): the address is in use`,
    });
  });

  test("a closed socket sends nothing, receives nothing and closes twice", async () => {
    const subject = make();
    const [a, b] = [await bind(subject, await freePort()), await bind(subject)];
    await a.socket.close();
    await a.socket.close();
    expect(a.socket.send(b.socket.local, bytes("x"))).toBe("closed");
    expect(b.socket.send(a.socket.local, bytes("x"))).toBe("sent");
    const again = await bind(subject, a.socket.local.port);
    b.socket.send(again.socket.local, bytes("new owner"));
    await subject.until(() => again.packets.some((packet) => packet.text === "new owner"));
    expect(a.packets).toEqual([]);
  });
});
