import { expect, test } from "vitest";
import { rehearse } from "../../../../src/cluster/gossip/rehearsal.ts";
import { rawDeflate } from "../../../../src/platform/node/deflate.ts";
import { createCertifier } from "../../../../src/security/death-certifier.ts";
import { createGossipSealer } from "../../../../src/security/gossip-sealer.ts";
import type { Sealer } from "../../../../src/wire/sealer.ts";

/** Opened packets, and pauses, of a rehearsal that is interrupted after so many pauses. */
async function rehearsed(pausesMost: number): Promise<{ readonly opened: number; readonly pauses: number }> {
  const keys = [new Uint8Array(32).fill(3)];
  let opened = 0;
  let pauses = 0;
  const watched = (sealer: Sealer): Sealer => ({
    payloadLimit_bytes: sealer.payloadLimit_bytes,
    seal: (payload) => sealer.seal(payload),
    open: (datagram) => {
      const packet = sealer.open(datagram);
      if (packet.kind === "opened") opened++;
      return packet;
    },
  });
  await rehearse({
    deflate: rawDeflate,
    interrupted: () => pauses >= pausesMost,
    pause: () => Promise.resolve(void pauses++),
    sealerFor: (node, clusterUuid) =>
      watched(createGossipSealer({ node, bootEpoch: 1, clusterName: "rehearsal", clusterUuid, keys })),
    certifierFor: (clusterUuid) => createCertifier({ clusterName: "rehearsal", clusterUuid, keys }),
  });
  return { opened, pauses };
}

test("a rehearsal joins, gossips and probes with real packets, and comes to its end by itself", async () => {
  const { opened, pauses } = await rehearsed(Infinity);
  expect(opened).toBeGreaterThan(100);
  expect(pauses).toBeLessThan(100);
});

test("real work ends it at the next pause", async () => {
  expect((await rehearsed(2)).pauses).toBe(2);
});
