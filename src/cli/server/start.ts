/** `caxton server start`: runs a node in the foreground, under its launcher. */
import { join } from "node:path";
import { flagPaths } from "../../config/flag-paths.ts";
import type { ConfigFlag } from "../../config/flag-paths.ts";
import { runLauncher } from "../../node/process/launcher.ts";
import { formatStartArguments } from "../../node/process/start-arguments.ts";
import { command } from "../command.ts";
import type { GlobalFlags } from "../global-flags.ts";
import { proposeFiles } from "../files-mark.ts";
import { asText } from "../parse.ts";

interface Flags {
  readonly nodeId?: string;
  readonly cluster?: string;
  readonly clusterKeyFile?: string;
  readonly bindAddr?: string;
  readonly advertiseAddr?: string;
  readonly apiAddr?: string;
  readonly metricsAddr?: string;
  readonly region?: string;
  readonly zone?: string;
  readonly role?: string;
  readonly bootstrap?: boolean;
  readonly bootstrapExpect?: string;
  readonly join?: string;
  readonly config?: string;
  readonly apiInsecure?: boolean;
}

function flag(placeholder: string, brief: string) {
  return { kind: "parsed", parse: asText, optional: true, placeholder, brief } as const;
}

export const start = command<Flags>({
  brief: "Run a node in the foreground",
  examples: [
    "caxton server start",
    "caxton server start --node-id node-2 --data-dir data-2 --cluster-key-file data/cluster.key --join 10.0.0.1:7946",
    "caxton server start --config /etc/caxton/config.yaml",
  ],
  description:
    "With no flag: a one-node cluster in ./data, its API on 127.0.0.1:8080 and its metrics on 127.0.0.1:9090. " +
    "SIGTERM and Ctrl-C leave gracefully; SIGHUP reads the configuration again.",
  parameters: {
    flags: {
      nodeId: flag("ID", "This node's id, unique in the cluster [default the host's name]"),
      cluster: flag("NAME", "The cluster's name [default caxton]"),
      clusterKeyFile: {
        ...flag("FILE", "The cluster's key, from a node that is in it"),
        proposeCompletions: proposeFiles,
      },
      bindAddr: flag("HOST:PORT", "Where gossip and peer streams listen [default 0.0.0.0:7946]"),
      advertiseAddr: flag("HOST:PORT", "What other nodes connect to"),
      apiAddr: flag("HOST:PORT", "Where the API listens [default 127.0.0.1:8080]"),
      metricsAddr: flag("HOST:PORT", "Where the metrics listen [default 127.0.0.1:9090]"),
      region: flag("NAME", "The region that this node is in"),
      zone: flag("NAME", "The zone within the region"),
      role: flag("ROLE", "voter, learner or witness"),
      bootstrap: { kind: "boolean", optional: true, withNegated: false, brief: "Begin a cluster" },
      bootstrapExpect: flag("N", "Begin a cluster once so many nodes are there"),
      join: flag("A:7946,B:7946", "Nodes to join through, as 10.0.0.1:7946,10.0.0.2:7946"),
      config: {
        ...flag("FILE", "The configuration file [default ./caxton.yaml, /etc/caxton/config.yaml]"),
        proposeCompletions: proposeFiles,
      },
      apiInsecure: {
        kind: "boolean",
        optional: true,
        withNegated: false,
        brief: "Plain HTTP beyond loopback",
      },
    },
  },
  run: ({ flags: global, output }, flags) =>
    runLauncher({
      entry: join(import.meta.dirname, "..", "..", "node", "process", "main.ts"),
      args: formatStartArguments({ flags: configFlags(flags, global), file: flags.config }),
      log: (line) => output.notice(`[launcher] ${line}`),
    }),
});

/** What was typed, by the flags' own names. */
function configFlags(flags: Flags, { dataDir }: GlobalFlags): Partial<Record<ConfigFlag, string>> {
  const typed: Readonly<Record<string, unknown>> = { ...flags, dataDir };
  const found: Partial<Record<ConfigFlag, string>> = {};
  for (const name of Object.keys(flagPaths) as ConfigFlag[]) {
    const value = typed[name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
    if (typeof value === "string") found[name] = value;
    else if (value === true) found[name] = "true";
  }
  return found;
}
