/**
 * Keys of the documents that this version accepts, checks and warns of, without acting on them.
 * A part of Caxton that begins to act on one moves it to `keys.ts`.
 */
import * as v from "valibot";
import { inertKey } from "./key.ts";
import { boolean, duration, fraction, integer, list, name, oneOf, size, text } from "./values.ts";

const region = v.strictObject({ name: name(), nodes: list(name(), 1_000) });
const anything = v.unknown();

export const regionKeys = {
  regions: inertKey(list(region, 100), "The regions and their nodes."),
  cross_region: {
    latency_aware_routing: inertKey(boolean(), "Prefer near nodes."),
    prefer_local_region: inertKey(boolean(), "Prefer nodes of the own region."),
    max_cross_region_latency: inertKey(duration(), "The slowest region that is still used."),
  },
};

export const transportKeys = {
  type: inertKey(oneOf(["tcp", "quic"]), "How peers connect."),
  congestion_control: inertKey(oneOf(["cubic", "bbr"]), "Of QUIC."),
  max_streams: inertKey(integer(1, 100_000), "Streams of one connection."),
  no_delay: inertKey(boolean(), "Send small segments at once."),
  compression: inertKey(boolean(), "Compress frames."),
};

export const replicationKeys = {
  enable_compression: inertKey(boolean(), "Compress batches."),
  max_batch_size: inertKey(integer(1, 1_000_000), "Entries of a batch."),
  batch_timeout: inertKey(duration(), "Until a batch that is not full is sent."),
  snapshot_chunk_size: inertKey(size("1KiB", "1GiB"), "Bytes of a chunk."),
  in_region: inertKey(anything, "Replication within a region."),
  cross_region: inertKey(anything, "Replication between regions."),
};

export const mtlsKeys = {
  enabled: inertKey(boolean(), "Peer streams are always mutually authenticated."),
  ca_cert: inertKey(text(), "A certificate authority of one's own."),
  node_cert: inertKey(text(), "This node's certificate."),
  node_key: inertKey(text(), "Its key."),
  verify_peer: inertKey(boolean(), "Peers are always verified."),
};

export const apiKeys = {
  auth: inertKey(anything, "Kinds of authentication."),
  jwt: {
    issuer: inertKey(text(), "An issuer beside the cluster."),
    audience: inertKey(text(), "The audience of its tokens."),
    jwks_uri: inertKey(text(), "Where its keys are."),
  },
  oauth2: inertKey(anything, "The token endpoint.", { secret: true }),
  api_keys: inertKey(anything, "API keys.", { secret: true }),
  client_certs: inertKey(anything, "Client certificates."),
  rate_limits: inertKey(anything, "Requests a principal may make."),
  cors: inertKey(anything, "Origins of browsers."),
};

export const agentTrustKeys = {
  require_signed: inertKey(boolean(), "Refuse unsigned modules."),
  trusted_keys: inertKey(list(text()), "Keys that sign modules."),
  capabilities: inertKey(anything, "What agents may be granted."),
};

export const storageKeys = {
  url: inertKey(text(), "Where state is kept.", { secret: true }),
  encryption_key: inertKey(text(), "Encrypts state at rest.", { secret: true }),
  synchronous: inertKey(oneOf(["full", "normal"]), "How commits reach the disk."),
};

export const backupKeys = { schedule: inertKey(list(anything, 100), "When backups are made.") };

export const observabilityKeys = {
  otlp_endpoint: inertKey(text(), "Where traces and metrics are pushed."),
  trace_sample: inertKey(fraction(), "The share of traces that is kept."),
};

export const auditKeys = { retention: inertKey(duration(), "How long audit records are kept.") };
