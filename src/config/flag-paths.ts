/**
 * The flags of `caxton server start` that set a key, and the key each one sets. Alone in this file,
 * because the launcher reads it and must not load the schemas.
 */
export const flagPaths = {
  "node-id": "node.id",
  "data-dir": "node.data_dir",
  cluster: "cluster.name",
  "cluster-key-file": "security.cluster.key_file",
  "bind-addr": "coordination.cluster.bind_addr",
  "advertise-addr": "coordination.cluster.advertise_addr",
  "api-addr": "node.api_addr",
  "metrics-addr": "observability.metrics_addr",
  region: "node.region",
  zone: "node.zone",
  role: "node.role",
  bootstrap: "coordination.cluster.bootstrap",
  "bootstrap-expect": "coordination.cluster.bootstrap_expect",
  join: "coordination.cluster.seeds",
  "api-insecure": "security.api.insecure",
} as const;

export type ConfigFlag = keyof typeof flagPaths;
/** As typed, `true` for a flag that takes no value. */
export type ConfigFlags = Partial<Readonly<Record<ConfigFlag, string | undefined>>>;
