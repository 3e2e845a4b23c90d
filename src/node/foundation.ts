/** What a node stands on: its data directory, its identity and keys, and the store. */
import { randomUUID } from "node:crypto";
import { CaxtonError } from "../base/errors.ts";
import { parseNodeId, type NodeId } from "../base/ids.ts";
import type { LoadedConfig } from "../config/load-config.ts";
import { systemClock } from "../platform/node/clock.ts";
import { systemEntropy } from "../platform/node/entropy.ts";
import {
  certificateAuthority,
  nodeIdentity,
  type CertificateAuthority,
  type IssuedCertificate,
} from "../security/certificates.ts";
import { messageIdentityKey } from "../security/client-identity.ts";
import { loadClusterKey, parseClusterKey, readClusterKey, writeClusterKey } from "../security/cluster-key.ts";
import { loadSigningKey } from "../security/issuer-key-file.ts";
import type { SigningKey } from "../security/issuer-key.ts";
import { GossipKeys } from "../security/gossip-keys.ts";
import { gossipKeyOf } from "../security/keyring.ts";
import type { StreamIdentity } from "../ports/streams.ts";
import { startStoreThread, type StoreThread } from "../store/store-thread.ts";
import { expectedClusterUuid } from "./joining/bootstrap.ts";
import { openDataDirectory, type DataDirectory } from "./identity/data-directory.ts";
import { defaultNodeId } from "./identity/node-id.ts";

export interface Foundation {
  readonly directory: DataDirectory;
  readonly self: NodeId;
  readonly cluster: string;
  readonly authority: CertificateAuthority;
  readonly gossipKeys: GossipKeys;
  readonly signingKey: SigningKey;
  /** `messageIdentityKey` of the cluster. */
  readonly messageSecret: Uint8Array;
  readonly store: StoreThread;
  /** A new certificate of this node. */
  newIdentity(): StreamIdentity & IssuedCertificate;
}

/**
 * Throws `CaxtonError` with what is wrong; then nothing is left open. `beforeBeginning` may refuse once
 * the directory is this process's, and before a key or a cluster is begun in it.
 */
export async function openFoundation(
  loaded: LoadedConfig,
  beforeBeginning: () => Promise<void>,
): Promise<Foundation> {
  const { config } = loaded;
  const clusterGiven = loaded.values.get("cluster.name")?.source.kind !== "default";
  const directory = openDataDirectory(config.node.data_dir, {
    nodeId: config.node.id === null ? undefined : parseNodeId(config.node.id),
    cluster: clusterGiven ? config.cluster.name : undefined,
    initial: { nodeId: defaultNodeId(), cluster: config.cluster.name },
    wall_ms: systemClock.wall_ms(),
  });
  try {
    await beforeBeginning();
    const clusterKey = await clusterKeyOf(loaded, directory);
    beginCluster(loaded, directory, clusterKey);
    const authority = certificateAuthority(clusterKey);
    const further = config.security.cluster.gossip.keys.map((text, i) =>
      gossipKeyOf(parseClusterKey(text, `security.cluster.gossip.keys[${i}]`)),
    );
    const world = { clock: systemClock, entropy: systemEntropy };
    return {
      directory,
      self: directory.nodeId,
      cluster: directory.cluster,
      authority,
      gossipKeys: await GossipKeys.open(directory.file("gossip.keys"), clusterKey, further),
      signingKey: await loadSigningKey(directory.file("signing.key")),
      messageSecret: messageIdentityKey(clusterKey),
      store: await startStoreThread(directory.file("store.db"), {
        deadLetters_max: config.messaging.dead_letter_limit,
      }),
      newIdentity: () => nodeIdentity(authority, directory.nodeId, directory.cluster, world),
    };
  } catch (error) {
    directory.close();
    throw error;
  }
}

/**
 * The key given by the environment or a file, which is then kept in the data directory; else the one
 * kept there; else, for a node that begins a cluster, a new one.
 */
async function clusterKeyOf({ config }: LoadedConfig, directory: DataDirectory): Promise<Uint8Array> {
  const own = directory.file("cluster.key");
  const given = await givenKey(config.security.cluster.key, config.security.cluster.key_file, own);
  if (given !== undefined) {
    const kept = await readClusterKey(own);
    if (kept === undefined) await writeClusterKey(own, given);
    else if (Buffer.compare(kept, given) !== 0) {
      throw new CaxtonError(
        "wrong_key",
        `The cluster key given is not the one in ${own}: ` +
          (directory.clusterUuid === null
            ? "remove that file if this node is to use the new key"
            : "its directory is of a cluster already; name another --data-dir for a node of the other one"),
      );
    }
    return given;
  }
  const { seeds, bootstrap } = config.coordination.cluster;
  if ((await readClusterKey(own)) === undefined) {
    if (seeds.length > 0 && !bootstrap) {
      throw new CaxtonError(
        "invalid_config",
        "A node that joins needs the cluster's key: copy cluster.key from another node and name it with " +
          "--cluster-key-file, or set CAXTON_CLUSTER_KEY",
      );
    }
    if (directory.clusterUuid !== null) {
      throw new CaxtonError(
        "invalid_config",
        `The cluster key ${JSON.stringify(own)} is missing, and its directory is of a cluster: restore ` +
          "it, or copy it from another node. If there was no other, remove node.json to begin a new cluster",
      );
    }
  }
  return await loadClusterKey(own, systemEntropy);
}

async function givenKey(
  text: string | null,
  file: string | null,
  own: string,
): Promise<Uint8Array | undefined> {
  if (text !== null) return parseClusterKey(text, "CAXTON_CLUSTER_KEY");
  if (file === null) return undefined;
  const key = await readClusterKey(file);
  if (key === undefined && file !== own) {
    throw new CaxtonError("invalid_config", `There is no cluster key at ${JSON.stringify(file)}`);
  }
  return key;
}

/**
 * A node with nothing to join, or told to bootstrap, begins the cluster that its directory is then of. One that is to
 * wait for others takes the UUID that all of them take; who of them begins is decided when they are there.
 */
function beginCluster({ config }: LoadedConfig, directory: DataDirectory, clusterKey: Uint8Array): void {
  const { seeds, bootstrap, bootstrap_expect } = config.coordination.cluster;
  if (directory.clusterUuid !== null) return;
  if (bootstrap && bootstrap_expect !== null) {
    throw new CaxtonError(
      "invalid_config",
      "--bootstrap begins a cluster at once and --bootstrap-expect waits for others: give one of them",
    );
  }
  if (bootstrap_expect !== null)
    directory.adoptCluster(expectedClusterUuid(clusterKey, directory.cluster), false);
  else if (bootstrap || seeds.length === 0) directory.adoptCluster(randomUUID(), true);
}
