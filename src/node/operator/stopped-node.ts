/**
 * A node that an operator has stopped: its process and its API are there, nothing else is; no database is open, so that
 * a backup may take the place of its files. It holds the data directory, and waits for the word to start, from its own
 * API or from another node that got it.
 */
import { jsonBody } from "../../agents/agent-requests.ts";
import type { NodeAnswer } from "../../api/operator-service.ts";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { parseNodeId } from "../../base/ids.ts";
import { openPeerNetwork, type PeerNetwork } from "../../cluster/peers/network.ts";
import type { LoadedConfig } from "../../config/load-config.ts";
import { systemClock } from "../../platform/node/clock.ts";
import { systemEntropy } from "../../platform/node/entropy.ts";
import { openStreams } from "../../platform/node/streams.ts";
import {
  type CertificateAuthority,
  certificateAuthority,
  nodeIdentity,
} from "../../security/certificates.ts";
import { loadClusterKey } from "../../security/cluster-key.ts";
import { loadSigningKey } from "../../security/issuer-key-file.ts";
import { ClusterKeys } from "../../security/jwks.ts";
import { logger } from "../../telemetry/log.ts";
import { startMethod, stopMethod } from "./cluster-stopping.ts";
import { type DataDirectory, openDataDirectory } from "../identity/data-directory.ts";
import { type Front, startFront } from "../front.ts";
import { defaultNodeId } from "../identity/node-id.ts";
import type { RunningNode } from "../node.ts";
import { readStopped, type StoppedPeer } from "./stopped-marker.ts";
import { type StoppedParts, stoppedServices } from "./stopped-services.ts";

const ask_ms = 3_000;
/** The answer has left by then. */
const begin_ms = 250;

export interface StoppedHooks {
  readonly named: (node: string) => Promise<void>;
  /** Told to start, here or by another node. */
  readonly start: () => void;
  /** Told to end this process. */
  readonly stop: () => void;
}

/** `marker`: the file that says that it is stopped, and names the others. Throws as the start of a node. */
export async function startStoppedNode(
  loaded: LoadedConfig,
  marker: string,
  hooks: StoppedHooks,
): Promise<RunningNode> {
  const { config } = loaded;
  const others = readStopped(marker);
  const directory = openDataDirectory(config.node.data_dir, {
    nodeId: config.node.id === null ? undefined : parseNodeId(config.node.id),
    cluster: undefined,
    initial: { nodeId: defaultNodeId(), cluster: config.cluster.name },
    wall_ms: systemClock.wall_ms(),
  });
  let network: PeerNetwork | undefined;
  try {
    const { nodeId: self } = directory;
    await hooks.named(self);
    const clusterKey = await loadClusterKey(directory.file("cluster.key"), systemEntropy);
    const authority = certificateAuthority(clusterKey);
    const peers = await openPeers(loaded, directory, authority);
    network = peers;
    const begin = once(() => void systemClock.after(begin_ms, hooks.start));
    answerOrders(peers, begin);
    const startAll = async (): Promise<readonly NodeAnswer[]> => {
      const answers = await tellOthers(peers, others);
      begin();
      return [{ node: self, ok: true, detail: "" }, ...answers];
    };
    const orders = { others: others.length, startAll, leave: hooks.stop };
    const front = await openFront(loaded, directory, authority, orders);
    logger("node").warn(`Node "${self}" is stopped by an operator; to start all nodes: caxton cluster start`);
    logger("node").info(`API ${front.api.url}`);
    return {
      id: self,
      reload: () => front.reload(),
      lastWord: () => null,
      abandon: () => Promise.resolve(directory.close()),
      stop: async (deadline_ms) => {
        await front.stop(deadline_ms);
        await peers.close();
        directory.close();
      },
    };
  } catch (error) {
    await network?.close();
    directory.close();
    throw error;
  }
}

function openPeers(
  { config }: LoadedConfig,
  { nodeId: node, cluster, bootEpoch }: DataDirectory,
  authority: CertificateAuthority,
): Promise<PeerNetwork> {
  const world = { clock: systemClock, entropy: systemEntropy };
  return openPeerNetwork({
    node,
    bootEpoch,
    local: config.coordination.cluster.bind_addr,
    identity: nodeIdentity(authority, node, cluster, world),
    streams: openStreams(),
    ...world,
    timings: { connect_ms: config.transport.connect_timeout, keepAlive_ms: config.transport.keep_alive },
  });
}

/** Tokens of other nodes are in the databases: only this node's own are known here. */
async function openFront(
  { config }: LoadedConfig,
  directory: DataDirectory,
  authority: CertificateAuthority,
  orders: Pick<StoppedParts, "others" | "startAll" | "leave">,
): Promise<Front> {
  const { nodeId: node, cluster, clusterUuid: uuid } = directory;
  const signingKey = await loadSigningKey(directory.file("signing.key"));
  const keys = new ClusterKeys();
  keys.set(node, [signingKey.publicJwk]);
  const startedAt_ms = systemClock.wall_ms();
  return await startFront({
    config,
    foundation: { directory, cluster, authority, signingKey },
    services: stoppedServices({ node, cluster, uuid, startedAt_ms, ...orders }),
    keys,
    observer: { answered: () => undefined },
    fetchMissingKeys: () => Promise.resolve(),
    metrics: () => new Response("stopped by an operator\n", { status: 503 }),
    failed: (what, reason) => logger("node").warn(`Could not ${what}: ${reason}`),
  });
}

function answerOrders(peers: PeerNetwork, begin: () => void): void {
  peers.handle(startMethod, () => {
    begin();
    return Promise.resolve(jsonBody({}));
  });
  peers.handle(stopMethod, () => Promise.resolve(jsonBody({})));
}

async function tellOthers(
  peers: PeerNetwork,
  others: readonly StoppedPeer[],
): Promise<readonly NodeAnswer[]> {
  return await Promise.all(
    others.map(async ({ node, address }) => {
      peers.setAddress(node, address);
      try {
        await peers.request(node, startMethod, jsonBody({}), { timeout_ms: ask_ms });
        return { node, ok: true, detail: "" };
      } catch (error) {
        if (!(error instanceof CaxtonError)) throw error;
        return { node, ok: false, detail: reasonOf(error) };
      }
    }),
  );
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}
