import { expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { GossipPackets, type OpenedPacket } from "../../../../src/cluster/gossip/packets.ts";
import { GossipStatistics } from "../../../../src/cluster/gossip/statistics.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { memoryDatagrams } from "../../../../src/platform/memory/datagrams.ts";
import { MemoryNetwork } from "../../../../src/platform/memory/network.ts";
import { createGossipSealer } from "../../../../src/security/gossip-sealer.ts";
import { addressOf } from "../../../support/swim-bench.ts";

const keys = [new Uint8Array(32).fill(7)];
const clusterUuid = "0192f0c0-0000-7000-8000-000000000001";

function sealerOf(node: string) {
  return createGossipSealer({ node: node as NodeId, bootEpoch: 1, clusterName: "test", clusterUuid, keys });
}

/** A joiner "a" that cannot open anything yet, and what "b" sends it. */
async function joiner() {
  const clock = new VirtualClock();
  const datagrams = memoryDatagrams(new MemoryNetwork(clock, new Prng(1)));
  const statistics = new GossipStatistics();
  const opened: OpenedPacket[] = [];
  const packets = new GossipPackets("a" as NodeId, statistics, {
    listening: () => true,
    opened: (packet) => opened.push(packet),
    dropped: () => undefined,
    refused: () => undefined,
    certified: () => undefined,
  });
  await packets.bind(datagrams, addressOf("a"));
  const handlers = { packet: () => undefined, refused: () => undefined };
  const socket = await datagrams.bind(addressOf("b"), handlers);
  const heard = (): number[] => opened.map(({ payload }) => payload[0] ?? -1);
  const send = (bytes: Uint8Array): void => {
    socket.send(addressOf("a"), bytes);
    clock.advance(1_000);
  };
  return { packets, statistics, send, heard };
}

test("what came before a joiner could open it is heard, in order and once, when it is a member", async () => {
  const { packets, statistics, send, heard } = await joiner();
  const sealer = sealerOf("b");
  for (const number of [1, 2, 3]) send(sealer.seal(new Uint8Array([number])));
  packets.sealWith(sealerOf("a"));
  expect(heard()).toEqual([]);
  packets.hearEarly();
  packets.hearEarly();
  expect(heard()).toEqual([1, 2, 3]);
  expect(statistics.packetsReceived).toBe(3);
  send(sealer.seal(new Uint8Array([4])));
  expect(heard()).toEqual([1, 2, 3, 4]);
});

test("of a flood before it the newest are kept, and nothing that is no packet", async () => {
  const { packets, statistics, send, heard } = await joiner();
  const sealer = sealerOf("b");
  for (let number = 0; number < 100; number++) send(sealer.seal(new Uint8Array([number])));
  send(new Uint8Array(5_000));
  send(new Uint8Array([1, 2, 3]));
  packets.sealWith(sealerOf("a"));
  packets.hearEarly();
  expect(heard()).toEqual(Array.from({ length: 63 }, (_, i) => i + 37));
  expect(statistics.snapshot(0, new Map()).dropped).toEqual({ malformed: 1 });
});
