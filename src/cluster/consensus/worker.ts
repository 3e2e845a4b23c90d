/**
 * Entry of the raft thread: the core, its log, the control state and streams of its own. The databases block it on
 * purpose: a disk that hangs silences its heartbeats. It ends with `stop`, and when the channel to its parent closes.
 */
import { parentPort } from "node:worker_threads";
import { present } from "../../base/assert.ts";
import { openBootClock } from "../../platform/bun/boot-clock.ts";
import { systemClock } from "../../platform/node/clock.ts";
import { openDatabases } from "../../platform/node/database.ts";
import { systemEntropy } from "../../platform/node/entropy.ts";
import { setAside } from "../../platform/node/set-aside.ts";
import { openStreams } from "../../platform/node/streams.ts";
import { issuedIdentity } from "../../security/certificates.ts";
import { ConsensusService } from "./service.ts";
import { NetworkCut, cuttableStreams } from "../network-cut.ts";
import type { ToRaft } from "./thread-protocol.ts";

const parent = present(parentPort, "the channel to the thread that started this one");

const cut = new NetworkCut(systemClock);

const service = new ConsensusService({
  clock: systemClock,
  bootClock: openBootClock(),
  entropy: systemEntropy,
  databases: openDatabases(),
  streams: cuttableStreams(openStreams(), cut, systemClock),
  cut: (order) => cut.begin(order),
  soon: (callback) => void setImmediate(callback),
  streamIdentity: (certificate, cluster) => issuedIdentity(certificate, cluster, systemClock),
  setAside,
  post: (message) => parent.postMessage(message),
  ended: () => parent.close(),
});

parent.on("message", (message: ToRaft) => service.receive(message));
parent.on("close", () => service.end());
