import { expect, test } from "vitest";
import { parseNodeId } from "../../../src/base/ids.ts";
import { Prng } from "../../../src/base/prng.ts";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { memoryDatagrams } from "../../../src/platform/memory/datagrams.ts";
import { MemoryNetwork } from "../../../src/platform/memory/network.ts";
import { memoryIdentity, MemoryStreams } from "../../../src/platform/memory/streams.ts";
import type { DatagramSocket } from "../../../src/ports/datagrams.ts";

async function world(seed = 1) {
  const clock = new VirtualClock();
  const network = new MemoryNetwork(clock, new Prng(seed));
  const datagrams = memoryDatagrams(network);
  const log: string[] = [];
  const bind = (host: string): Promise<DatagramSocket> =>
    datagrams.bind(
      { host, port: 7_946 },
      {
        packet: (from, bytes) => log.push(`${clock.now_ms().toFixed(3)} ${from.host}>${host} ${bytes[0]}`),
        refused: (to) => log.push(`${host} refused by ${to.host}`),
      },
    );
  const a = await bind("a");
  const b = await bind("b");
  const send = (count: number): void => {
    for (let i = 0; i < count; i++) a.send(b.local, Uint8Array.of(i));
  };
  return { clock, network, log, a, b, send };
}

test("loss, duplication and reordering happen about as often as told, and the same for one seed", async () => {
  const run = async (seed: number): Promise<string[]> => {
    const { clock, network, log, send } = await world(seed);
    network.setRules({ loss: 0.2, duplication: 0.1, delay_ms: [1, 20] });
    for (let round = 0; round < 40; round++) send(25);
    clock.advance(100);
    return log;
  };
  const log = await run(7);
  expect(log.length).toBeGreaterThan(1_000 * 0.8 * 1.1 - 80);
  expect(log.length).toBeLessThan(1_000 * 0.8 * 1.1 + 80);
  expect(log.map((line) => line.split(" ")[2])).not.toEqual(log.map((line) => line.split(" ")[2]).sort());
  expect(await run(7)).toEqual(log);
  expect(await run(8)).not.toEqual(log);
});

test("a one-way cut stops one direction until it heals", async () => {
  const { clock, network, log, a, b } = await world();
  network.cutOneWay("a", "b");
  a.send(b.local, Uint8Array.of(1));
  b.send(a.local, Uint8Array.of(2));
  clock.advance(10);
  expect(log).toEqual(["0.100 b>a 2"]);
  network.heal();
  a.send(b.local, Uint8Array.of(3));
  clock.advance(10);
  expect(log[1]).toBe("10.100 a>b 3");
});

test("a paused host takes its packets at resume, in order", async () => {
  const { clock, network, log, send } = await world();
  network.pause("b");
  send(3);
  clock.advance(50);
  expect(log).toEqual([]);
  network.resume("b");
  clock.advance(0);
  expect(log).toEqual(["50.000 a>b 0", "50.000 a>b 1", "50.000 a>b 2"]);
});

test("nobody at an address refuses the packet", async () => {
  const { clock, log, a, b, send } = await world();
  await b.close();
  send(1);
  clock.advance(10);
  expect(log).toEqual(["a refused by b"]);
  expect(a.send({ host: "nowhere", port: 1 }, Uint8Array.of(1))).toBe("sent");
});

test("a stream through a cut is silent, and whole after it heals", async () => {
  const { clock, network } = await world();
  const streams = new MemoryStreams(network);
  let received = "";
  const closes: (string | undefined)[] = [];
  const listener = await streams.at("b").listen(
    { host: "b", port: 1 },
    memoryIdentity("k", "c", parseNodeId("b")),
    () => ({
      data: (chunk) => (received += new TextDecoder().decode(chunk)),
      drain: () => {},
      close: (reason) => closes.push(reason),
    }),
    () => {},
  );
  const identity = memoryIdentity("k", "c", parseNodeId("a"));
  const handlers = { data: () => {}, drain: () => {}, close: () => {} };
  const dialled = streams.at("a").connect(listener.local, identity, { timeout_ms: 1_000 }, handlers);
  clock.advance(10);
  const connection = await dialled;
  network.cut(["a"], ["b"]);
  for (const word of ["one ", "two ", "three"]) connection.write(new TextEncoder().encode(word));
  clock.advance(60_000);
  expect([received, closes]).toEqual(["", []]);
  const during = streams.at("a").connect(listener.local, identity, { timeout_ms: 1_000 }, handlers);
  clock.advance(2_000);
  await expect(during).rejects.toMatchObject({ code: "timeout" });
  network.heal();
  clock.advance(4_000);
  expect([received, closes]).toEqual(["one two three", []]);
  connection.destroy();
  clock.advance(10);
  expect(closes).toEqual(["connection reset"]);
});
