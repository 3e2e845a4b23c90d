/**
 * Every configuration key by its documented name. The sections here are the ones that a node and
 * its operators touch; those that wait for a later part of Caxton are in `inert-keys.ts`.
 */
import { agentMost } from "../wire/agent-spec.ts";
import * as inert from "./inert-keys.ts";
import { partitionKeys } from "./partition-keys.ts";
import { inertKey, isKey, key, optionalKey } from "./key.ts";
import type { ConfigOf, Key, Section } from "./key.ts";
import {
  address,
  boolean,
  duration,
  fraction,
  integer,
  list,
  listenAddress,
  name,
  oneOf,
  size,
  text,
} from "./values.ts";

const cluster = {
  name: key(name(), "caxton", "The cluster's name; nodes of another are refused."),
};

const node = {
  id: optionalKey(name(), "This node's id, unique in the cluster; the host's name when unset."),
  region: key(name(), "default", "The region that this node is in."),
  zone: key(name(), "default", "The availability zone within the region."),
  role: key(oneOf(["voter", "learner", "witness"]), "voter", "The most that this node is in consensus."),
  max_agents: key(integer(0, 1_000_000), 100, "The most agents that placement puts here."),
  services: key(list(name(), 1_024), [], "Names that placement can ask for."),
  priority: inertKey(integer(0, 1_000), "Preference among nodes otherwise alike."),
  weight: key(integer(0, 1_000), 100, "The share that the weighted strategy gives this node."),
  data_dir: key(text(), "./data", "Where this node keeps everything; one node only."),
  api_addr: key(listenAddress(), "127.0.0.1:8080", "Where the HTTP API listens; TLS unless on loopback."),
};

const coordination = {
  cluster: {
    bind_addr: key(listenAddress(), "0.0.0.0:7946", "Gossip (UDP) and peer streams (TCP) listen here."),
    advertise_addr: optionalKey(address(), "What other nodes connect to; found out when unset."),
    seeds: key(list(address(), 256), [], "Nodes to join through, tried for ever.", { live: true }),
    bootstrap: key(boolean(), false, "Begin a cluster even though there are seeds."),
    bootstrap_expect: optionalKey(integer(1, 1_000), "Nodes to wait for before the cluster begins."),
    profile: key(
      oneOf(["local", "lan", "wan", "auto"]),
      "lan",
      "The timings of every key below that is unset.",
    ),
    gossip_interval: optionalKey(duration("10ms", "1m"), "Between rounds of gossip."),
    gossip_fanout: optionalKey(integer(1, 64), "Members told in a round."),
    probe_interval: optionalKey(duration("20ms", "10m"), "Between probes of members."),
    probe_timeout: optionalKey(duration("10ms", "5m"), "Until an unanswered probe goes through others."),
    indirect_probes: optionalKey(integer(0, 32), "Members asked to probe in this node's place."),
    suspicion_multiplier: optionalKey(integer(1, 100), "How long a suspect may refute."),
    gossip_to_dead: inertKey(duration("0s", "30d"), "Failed members are told until they are forgotten."),
    ...inert.regionKeys,
  },
  partition: partitionKeys,
};

const raft = {
  bind_addr: optionalKey(
    listenAddress(),
    "Consensus between nodes (TCP); the gossip host, port + 1000, when unset.",
  ),
  heartbeat_interval: optionalKey(duration("1ms", "1m"), "Between a leader's heartbeats; by profile."),
  election_timeout: optionalKey(duration("10ms", "10m"), "Silence before an election; by profile."),
  max_append_entries: key(integer(1, 4_096), 64, "The most entries of one append."),
  snapshot_threshold: key(integer(1, 1e9), 10_000, "Entries after which the log is compacted."),
  trailing_logs: key(integer(0, 1e9), 10_240, "Entries kept for followers that are behind."),
  voters: optionalKey(integer(1, 7), "The most voters; by the number of nodes when unset."),
};

const transport = {
  ...inert.transportKeys,
  connect_timeout: key(duration("10ms", "5m"), "5s", "Until a connection to a peer is given up."),
  request_timeout: key(duration("10ms", "1h"), "30s", "Until a request to the API is given up."),
  keep_alive: key(duration("100ms", "1h"), "5s", "Silence of a peer until it is asked for a sign of life."),
  max_message_size: inertKey(size("64KiB", "1GiB"), "The largest frame that peers exchange: 16MiB."),
};

const failover = {
  enable_auto_failover: key(boolean(), true, "Start the agents of a lost node on others."),
  failure_threshold: key(
    integer(1, 1_000),
    3,
    "Looks, 100 ms apart, that must find a node gone before its agents go to others.",
  ),
  health_check_interval: key(
    duration("100ms", "1h"),
    "1s",
    "Between a node's looks at its own processor, memory and disk.",
  ),
  rebalance_on_join: key(
    boolean(),
    true,
    "Move agents that were there before to a node that joined, or is back after a loss.",
  ),
  remove_offline_after: optionalKey(
    duration("1s"),
    "A node registered by HTTP is forgotten when it was offline for so long; never when unset.",
  ),
  restart_grace: key(
    duration("0s", "1h"),
    "30s",
    "A node that stopped in order keeps its agents when it is back within this.",
  ),
  lease_ttl: key(
    duration("500ms", "10m"),
    "2s",
    "How long a node may act for its agents without the leader's renewal; the same on every node.",
  ),
  clock_drift: key(
    fraction(),
    0.05,
    "By how much one machine's clock may outrun another's; agents are given away that much later.",
  ),
  drain_timeout: key(duration("0s", "1h"), "30s", "How long a leaving node finishes its work.", {
    live: true,
  }),
};

const security = {
  cluster: {
    key: optionalKey(text(), "The cluster key itself; a file is safer.", { secret: true }),
    key_file: optionalKey(text(), "The file of the cluster key; <data_dir>/cluster.key when unset."),
    mtls: inert.mtlsKeys,
    gossip: {
      keys: key(list(text(), 16), [], "Further cluster keys to accept, for rotation.", { secret: true }),
      rotate_every: optionalKey(duration("1h"), "Between rotations of the gossip key; by hand when unset."),
    },
  },
  api: {
    insecure: key(boolean(), false, "Plain HTTP on an address other than loopback."),
    tls: {
      cert: optionalKey(text(), "PEM file of the API's certificate; issued by the cluster's CA when unset."),
      key: optionalKey(text(), "PEM file of that certificate's key."),
    },
    ...inert.apiKeys,
  },
  agents: inert.agentTrustKeys,
};

const agents = {
  workers: optionalKey(integer(1, 256), "Agent threads; one a core but one when unset."),
  max_memory: key(
    size("64KiB", "4GiB"),
    "64MiB",
    "The most linear memory of an agent; what it has unless deployed with less.",
  ),
  memory_budget: optionalKey(
    size("1MiB", "16TiB"),
    "Linear memory of all agents of this node together; half of the machine's when unset.",
  ),
  default_fuel: key(
    integer(1_000, agentMost.fuel),
    50_000_000,
    "Fuel of one call of a handler, unless deployed with another.",
  ),
  max_fuel: optionalKey(
    integer(1_000, agentMost.fuel),
    "The most fuel that an agent may be deployed with; ten times default_fuel when unset.",
  ),
  max_priority: key(
    oneOf(["low", "normal", "high", "critical"]),
    "critical",
    "The highest priority that an agent may be deployed with.",
  ),
  max_per_subject: optionalKey(
    integer(1, 1_000_000),
    "The most agents that one user or key may have in the cluster; as many as there is room for when unset.",
  ),
  max_message_size: key(
    size("1KiB", "10MiB"),
    "10MiB",
    "The largest content of a message that the API takes.",
  ),
  idle_page_out: inertKey(duration(), "Idle time after which an agent goes to disk."),
};

const messaging = {
  inbox_limit: key(
    integer(1, agentMost.inbox_messages),
    10_000,
    "Messages that wait for an agent before refusal.",
  ),
  retry: key(duration("0s", "30d"), "1m", "How long delivery is retried before the dead letters."),
  dead_letter_limit: key(integer(1, 1_000_000), 10_000, "Dead letters that are kept, the newest."),
  breaker: inertKey(text(), "Circuit breaking by target."),
};

const observability = {
  metrics_addr: key(listenAddress(), "127.0.0.1:9090", "Where Prometheus scrapes /metrics."),
  log_level: key(oneOf(["debug", "info", "warn", "error"]), "info", "The least level that is logged.", {
    live: true,
  }),
  log_format: key(oneOf(["text", "json"]), "text", "Lines for people or for machines."),
  log_file: optionalKey(text(), "Where the log goes; standard error when unset. SIGHUP reopens it."),
  ...inert.observabilityKeys,
};

export const configKeys = {
  cluster,
  node,
  coordination,
  raft,
  transport,
  failover,
  replication: inert.replicationKeys,
  security,
  agents,
  messaging,
  storage: inert.storageKeys,
  backup: inert.backupKeys,
  observability,
  audit: inert.auditKeys,
} as const satisfies Section;

/** Everything a node reads from its configuration. */
export type Config = ConfigOf<typeof configKeys>;

/** Sections that are also read under another name at the top level. */
export const topLevelAliases: Readonly<Record<string, string>> = { partition: "coordination.partition" };

/** Every key by its dotted path, in the order of the sections. */
export const keysByPath: ReadonlyMap<string, Key<unknown>> = new Map(flatten(configKeys, ""));

function flatten(section: Section, prefix: string): [string, Key<unknown>][] {
  return Object.entries(section).flatMap(([word, entry]): [string, Key<unknown>][] =>
    isKey(entry) ? [[prefix + word, entry]] : flatten(entry, `${prefix}${word}.`),
  );
}
