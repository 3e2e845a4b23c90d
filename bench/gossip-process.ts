/**
 * One node of `membership.ts` in a process of its own: peer streams over TLS and the gossip thread with its UDP
 * socket, as a whole node has them, and nothing else. Told by IPC, it tells by IPC what it sees and when.
 */
import { openPeerNetwork } from "../src/cluster/peers/network.ts";
import { resolveHost, spawnGossipWorker } from "../src/cluster/gossip/spawn.ts";
import { GossipThread } from "../src/cluster/gossip/thread.ts";
import type { AgentName, ModuleHash } from "../src/base/ids.ts";
import { parseNodeId } from "../src/base/ids.ts";
import { systemClock } from "../src/platform/node/clock.ts";
import { systemEntropy } from "../src/platform/node/entropy.ts";
import { openStreams } from "../src/platform/node/streams.ts";
import type { Address } from "../src/ports/datagrams.ts";
import { certificateAuthority, nodeIdentity } from "../src/security/certificates.ts";
import { gossipKeyOf } from "../src/security/keyring.ts";
import { benchTags } from "./gossip-tags.ts";

export interface ProcessOptions {
  readonly node: string;
  readonly port: number;
  readonly boot: number;
  /** Null of one that is still to join. */
  readonly uuid: string | null;
}

export type ToProcess =
  | { readonly kind: "join"; readonly seeds: readonly Address[] }
  | { readonly kind: "announce"; readonly agent: string; readonly revision: number }
  | { readonly kind: "stats" };

/** `at_ms` is wall time, with parts of a ms: all processes are on one machine. */
export type FromProcess =
  | { readonly kind: "ready" }
  | { readonly kind: "member"; readonly node: string; readonly status: string; readonly at_ms: number }
  | { readonly kind: "agent"; readonly agent: string; readonly at_ms: number }
  | {
      readonly kind: "stats";
      readonly packetsSent: number;
      readonly localHealth: number;
      readonly dropped: Readonly<Record<string, number>>;
    };

export const benchCluster = "bench";
export const benchKey = new Uint8Array(32).fill(11);

export function wall_ms(): number {
  return performance.timeOrigin + performance.now();
}

async function run({ node, port, boot, uuid }: ProcessOptions): Promise<void> {
  const tell = (message: FromProcess): void => void process.send?.(message);
  const self = parseNodeId(node);
  const local = { host: "127.0.0.1", port };
  const world = { clock: systemClock, entropy: systemEntropy };
  const peers = await openPeerNetwork({
    node: self,
    bootEpoch: boot,
    local,
    identity: nodeIdentity(certificateAuthority(benchKey), self, benchCluster, world),
    streams: openStreams(),
    ...world,
  });
  const membership = await GossipThread.start({
    identity: {
      self,
      boot,
      cluster: benchCluster,
      uuid,
      bind: local,
      advertise: local,
      tags: benchTags,
      profile: "lan",
      timing: {},
      keys: [gossipKeyOf(benchKey)],
    },
    seeds: [],
    seed: new DataView(systemEntropy.bytes(4).buffer).getUint32(0),
    clock: systemClock,
    peers,
    spawn: spawnGossipWorker,
    resolve: resolveHost,
    adopted: () => Promise.resolve(),
    seedFailed: () => undefined,
    removed: () => undefined,
    failed: (error) => {
      throw error;
    },
  });
  membership.subscribe((event) => {
    const at_ms = wall_ms();
    if (event.kind === "directory") {
      for (const { agent } of event.changed) tell({ kind: "agent", agent, at_ms });
    } else if ("member" in event) {
      tell({ kind: "member", node: event.member.id, status: event.member.status, at_ms });
    }
  });
  process.on("message", (message: ToProcess) => {
    if (message.kind === "join") membership.join(message.seeds);
    else if (message.kind === "announce") {
      const agent = message.agent as AgentName;
      const module = "0".repeat(64) as ModuleHash;
      membership.announce([{ agent, epoch: 1, revision: message.revision, status: "running", module }], []);
    } else {
      void membership.stats().then(({ packetsSent, localHealth, dropped }) => {
        tell({ kind: "stats", packetsSent, localHealth, dropped });
      });
    }
  });
  process.on("disconnect", () => process.exit(0));
  tell({ kind: "ready" });
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? "{}") as ProcessOptions);
