import { deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { NodeId } from "../../../../src/base/ids.ts";
import { Prng } from "../../../../src/base/prng.ts";
import { Beats } from "../../../../src/cluster/gossip/heartbeat.ts";
import { startGossip } from "../../../../src/cluster/gossip/service.ts";
import type { FromGossip } from "../../../../src/cluster/gossip/thread-protocol.ts";
import { VirtualClock } from "../../../../src/platform/memory/clock.ts";
import { memoryDatagrams } from "../../../../src/platform/memory/datagrams.ts";
import { MemoryNetwork } from "../../../../src/platform/memory/network.ts";
import { rawDeflate } from "../../../../src/platform/node/deflate.ts";
import { createGossipSealer } from "../../../../src/security/gossip-sealer.ts";
import { Writer } from "../../../../src/wire/cursor.ts";
import {
  decodeRecords,
  encodeRecords,
  gossipVersion,
  type GossipRecord,
} from "../../../../src/wire/gossip-records.ts";
import { idleLoad } from "../../../../src/wire/gossip-tags.ts";
import { type ProtocolRange, protocolRange } from "../../../../src/wire/protocol-version.ts";
import { packedType, packFrame, unpackFrame } from "../../../../src/wire/packed-frame.ts";
import { addressOf, aliveRecord, at, benchTags } from "../../../support/swim-bench.ts";
import { until } from "../../../support/until.ts";

const self = "a" as NodeId;
const peer = "m1" as NodeId;
const uuid = "0192f0c0-0000-7000-8000-000000000001";
const keys = [new Uint8Array(32).fill(7)];

/** With "m1", which speaks `protocol` and has sent one packet. */
async function opened(protocol: ProtocolRange | null = protocolRange) {
  const clock = new VirtualClock();
  const datagrams = memoryDatagrams(new MemoryNetwork(clock, new Prng(1)));
  const posted: FromGossip[] = [];
  const rehearsals: (() => boolean)[] = [];
  const beats = new Beats(clock);
  const service = startGossip({
    clock,
    deflate: rawDeflate,
    datagrams,
    sealerFor: (identity, clusterUuid) =>
      createGossipSealer({
        node: identity.self,
        bootEpoch: identity.boot,
        clusterName: identity.cluster,
        clusterUuid,
        keys: identity.keys,
      }),
    post: (message) => posted.push(message),
    failed: (error) => {
      throw error;
    },
    ended: () => undefined,
    rehearse: (interrupted) => rehearsals.push(interrupted),
  });
  const place = addressOf("a");
  const names = { self, boot: 1, cluster: "test", uuid, keys };
  const identity = {
    ...names,
    bind: place,
    advertise: place,
    tags: benchTags,
    profile: "lan",
    timing: {},
  } as const;
  service.receive({ kind: "open", identity, seeds: [], seed: 1, beats: beats.cell });
  await until(() => posted.some(({ kind }) => kind === "opened"));
  const heard = (): boolean => {
    service.receive({ kind: "stats", request: 9 });
    const last = posted.at(-1);
    return last?.kind === "stats" && last.stats.packetsReceived > 0;
  };
  if (protocol !== null) {
    const m1 = { node: peer, bootEpoch: 1, clusterName: "test", clusterUuid: uuid, keys, protocol };
    const handlers = { packet: () => undefined, refused: () => undefined };
    const socket = await datagrams.bind(addressOf("m1"), handlers);
    socket.send(place, createGossipSealer(m1).seal(encodeRecords([])));
    await clock.runUntilSettled(heard, 1_000);
  }
  return { service, posted, clock, rehearsals, beats };
}

function framesOf(posted: readonly FromGossip[]): readonly Uint8Array[] {
  return posted.flatMap((message) => (message.kind === "frame" ? [message.bytes] : []));
}

/** The one who tells of them first: of others it is not believed by who knows nobody. */
const crowd = Array.from({ length: 40 }, (_, i) => aliveRecord(`m${i + 1}`, at(1, 0)));

describe("frames over streams", () => {
  test("large ones are packed, and unpacked at the other end", async () => {
    const { service, posted } = await opened();
    const asked: GossipRecord[] = [...crowd, { kind: "push-pull", reply: true }];
    const bytes = packFrame(encodeRecords(asked), rawDeflate);
    expect(bytes[1]).toBe(packedType);
    service.receive({ kind: "frame", from: "m1" as NodeId, bytes });
    const table = framesOf(posted).find((answer) => answer[1] === packedType);
    const records = decodeRecords(unpackFrame(table ?? new Uint8Array(), rawDeflate) ?? new Uint8Array());
    expect(records.filter(({ kind }) => kind === "member")).toHaveLength(crowd.length + 1);
    service.end();
  });

  test.each([
    ["speaks the version before", { lowest: 1, highest: 1 }],
    ["nothing was heard of yet", null],
  ])("are sent as they are to one that %s", async (_, protocol) => {
    const { service, posted } = await opened(protocol);
    const bytes = encodeRecords([...crowd, { kind: "push-pull", reply: true }]);
    service.receive({ kind: "frame", from: peer, bytes });
    const frames = framesOf(posted);
    expect(frames.some((frame) => frame[1] === packedType)).toBe(false);
    const told = frames.flatMap((frame) => decodeRecords(frame)).filter(({ kind }) => kind === "member");
    expect(told).toHaveLength(crowd.length + 1);
    service.end();
  });

  test("one that would become too large changes nothing, and is counted as malformed", async () => {
    const { service, posted } = await opened();
    const before = posted.length;
    const bomb = deflateRawSync(new Uint8Array(40 * 1024 * 1024));
    const bytes = new Writer().u8(gossipVersion).u8(packedType).blob(bomb).finish();
    service.receive({ kind: "frame", from: "m1" as NodeId, bytes });
    expect(posted.length).toBe(before);
    service.receive({ kind: "stats", request: 1 });
    const last = posted.at(-1);
    expect(last?.kind === "stats" && last.stats.dropped["malformed"]).toBe(1);
    service.end();
  });
});

describe("a thread that waits for others", () => {
  test("rehearses a second after its start, until somebody comes", async () => {
    const { service, posted, clock, rehearsals, beats } = await opened();
    beats.begin();
    service.receive({ kind: "load", load: idleLoad });
    clock.advance(900);
    expect(rehearsals).toEqual([]);
    clock.advance(200);
    expect(posted.filter(({ kind }) => kind === "idle")).toHaveLength(1);
    expect(rehearsals.map((interrupted) => interrupted())).toEqual([false]);
    service.receive({ kind: "join", seeds: [addressOf("b")] });
    expect(rehearsals.map((interrupted) => interrupted())).toEqual([true]);
  });

  test("does not when somebody came before", async () => {
    const { service, posted, clock, rehearsals } = await opened();
    service.receive({ kind: "join", seeds: [addressOf("b")] });
    clock.advance(5_000);
    expect(posted.filter(({ kind }) => kind === "idle")).toEqual([]);
    expect(rehearsals).toEqual([]);
  });
});
