/**
 * Entry of the gossip thread: UDP and SWIM, nothing that can block. It ends with `stop`, and when the
 * channel to its parent closes, since nobody would hear it then.
 */
import { parentPort } from "node:worker_threads";
import { present } from "../../base/assert.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { systemClock } from "../../platform/node/clock.ts";
import { openDatagrams } from "../../platform/node/datagrams.ts";
import { rawDeflate } from "../../platform/node/deflate.ts";
import { systemEntropy } from "../../platform/node/entropy.ts";
import { createCertifier } from "../../security/death-certifier.ts";
import { createGossipSealer } from "../../security/gossip-sealer.ts";
import { Gathered } from "./gathered.ts";
import { rehearse } from "./rehearsal.ts";
import { startGossip } from "./service.ts";
import { bootCeiling } from "../boot-ceiling.ts";
import { NetworkCut, cuttableDatagrams } from "../network-cut.ts";
import type { FromGossip, ToGossip } from "./thread-protocol.ts";

const parent = present(parentPort, "the channel to the thread that started this one");

const cut = new NetworkCut(systemClock);
const gathered = new Gathered<FromGossip>((messages) => parent.postMessage(messages));

const service = startGossip({
  clock: systemClock,
  deflate: rawDeflate,
  datagrams: cuttableDatagrams(openDatagrams(), cut),
  cut: (order) => cut.begin(order),
  sealerFor: ({ self, boot, cluster, keys }, uuid) =>
    createGossipSealer({
      node: self,
      bootEpoch: boot,
      clusterName: cluster,
      clusterUuid: uuid,
      keys,
      bootCeiling: () => bootCeiling(systemClock),
    }),
  certifierFor: ({ cluster, keys }, uuid) =>
    createCertifier({ clusterName: cluster, clusterUuid: uuid, keys }),
  post: (message) => gathered.add(message),
  failed: (error) => {
    const code = error instanceof CaxtonError ? error.code : "internal";
    gathered.add({ kind: "unopened", code, detail: reasonOf(error) });
  },
  ended: () => {
    gathered.flush();
    parent.close();
  },
  rehearse: (interrupted) => {
    const key = systemEntropy.bytes(32);
    const clusterName = "rehearsal";
    void rehearse({
      interrupted,
      deflate: rawDeflate,
      pause: () => new Promise((resolve) => setTimeout(resolve, 1)),
      sealerFor: (node, clusterUuid) =>
        createGossipSealer({ node, bootEpoch: 1, clusterName, clusterUuid, keys: [key] }),
      certifierFor: (clusterUuid) => createCertifier({ clusterName, clusterUuid, keys: [key] }),
    });
  },
});

parent.on("message", (message: ToGossip) => service.receive(message));
parent.on("close", () => service.end());
