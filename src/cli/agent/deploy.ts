/** `caxton deploy FILE.wasm --name N`: deploys or updates an agent and prints where it went. */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { parseAgentName } from "../../base/ids.ts";
import { parseSize } from "../../base/sizes.ts";
import { readBounded } from "../../platform/node/read-bounded.ts";
import {
  capabilities,
  durabilities,
  instancesLimit,
  onNodeLosses,
  partitionBehaviours,
  placementStrategies,
} from "../../wire/agent-spec.ts";
import { command } from "../command.ts";
import { shortHash } from "../figures.ts";
import { pathText } from "../files.ts";
import { proposeFiles } from "../files-mark.ts";
import { proposeAgents, proposeNodes } from "../known-names.ts";
import { asText, choices, wholeNumber } from "../parse.ts";

/** The API's own limit. */
const module_bytes_max = 16 * 1024 * 1024;
const priorities = ["low", "normal", "high", "critical"] as const;

interface Flags {
  readonly name: string;
  readonly instances?: number;
  readonly durability?: (typeof durabilities)[number];
  readonly priority?: (typeof priorities)[number];
  readonly placementStrategy?: (typeof placementStrategies)[number];
  readonly preferNodes?: string;
  readonly targetNode?: string;
  readonly service?: readonly string[];
  readonly region?: string;
  readonly zone?: string;
  readonly onNodeLoss?: (typeof onNodeLosses)[number];
  readonly partition?: (typeof partitionBehaviours)[number];
  readonly critical: boolean;
  readonly capability?: readonly string[];
  readonly memory?: string;
  readonly fuel?: number;
}

function size(input: string): string {
  parseSize(input);
  return input;
}

export const deploy = command<Flags, [string]>({
  brief: "Deploy an agent, or its next revision",
  examples: [
    "caxton deploy wasm-agents/echo.wasm --name echo",
    "caxton deploy web.wasm --name web --instances 3",
    "caxton deploy pong.wasm --name pong --placement-strategy least_loaded --format wide",
  ],
  parameters: {
    flags: {
      name: {
        kind: "parsed",
        parse: parseAgentName,
        proposeCompletions: proposeAgents,
        placeholder: "N",
        brief: "The agent's name",
      },
      instances: {
        kind: "parsed",
        parse: wholeNumber(1, instancesLimit),
        optional: true,
        placeholder: "N",
        brief: "How many run under the name; a conversation keeps to one of them",
      },
      durability: {
        kind: "parsed",
        ...choices(durabilities),
        optional: true,
        brief: durabilities.join(", "),
      },
      priority: { kind: "parsed", ...choices(priorities), optional: true, brief: priorities.join(", ") },
      placementStrategy: {
        kind: "parsed",
        ...choices(placementStrategies),
        optional: true,
        placeholder: "S",
        brief: placementStrategies.join(", "),
      },
      preferNodes: {
        kind: "parsed",
        parse: asText,
        proposeCompletions: proposeNodes,
        optional: true,
        placeholder: "A,B",
        brief: "Nodes to prefer, as A,B",
      },
      targetNode: {
        kind: "parsed",
        parse: asText,
        proposeCompletions: proposeNodes,
        optional: true,
        placeholder: "NODE",
        brief: "This node; another one only once it is lost",
      },
      service: {
        kind: "parsed",
        parse: asText,
        variadic: ",",
        optional: true,
        placeholder: "S",
        brief: "Only a node that offers this service (node.services)",
      },
      region: {
        kind: "parsed",
        parse: asText,
        optional: true,
        placeholder: "R",
        brief: "Only a node of this region",
      },
      zone: {
        kind: "parsed",
        parse: asText,
        optional: true,
        placeholder: "Z",
        brief: "Only a node of this zone",
      },
      onNodeLoss: {
        kind: "parsed",
        ...choices(onNodeLosses),
        optional: true,
        brief: `Its node is lost: ${onNodeLosses.join(" elsewhere, or ")} for it`,
      },
      partition: {
        kind: "parsed",
        ...choices(partitionBehaviours),
        optional: true,
        brief: `Its node is cut off: ${partitionBehaviours.join(" there, or ")} there alone`,
      },
      critical: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "Partition policies look for it; with --partition continue it may go on alone",
      },
      capability: {
        kind: "parsed",
        ...choices(capabilities),
        variadic: ",",
        optional: true,
        brief: `What it may use, as log,send; all unless given: ${capabilities.join(", ")}`,
      },
      memory: {
        kind: "parsed",
        parse: size,
        optional: true,
        placeholder: "64MiB",
        brief: "The most linear memory, as 64MiB",
      },
      fuel: {
        kind: "parsed",
        parse: wholeNumber(1, 1e15),
        optional: true,
        brief: "Fuel of one call of a handler",
      },
    },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: asText, proposeCompletions: proposeFiles, placeholder: "FILE.wasm", brief: "The module" },
      ],
    },
  },
  run: async (call, flags, file) => {
    const client = await call.client();
    const answer = await client.agents.deploy(readModule(file), {
      name: flags.name,
      instances: flags.instances === undefined ? undefined : String(flags.instances),
      durability: flags.durability,
      priority: flags.priority,
      placement_strategy: flags.placementStrategy,
      prefer_nodes: flags.preferNodes,
      target_node: flags.targetNode,
      services: flags.service?.join(","),
      region: flags.region,
      zone: flags.zone,
      on_node_loss: flags.onNodeLoss,
      partition: flags.partition,
      critical: flags.critical ? "true" : undefined,
      capabilities: flags.capability?.join(","),
      memory: flags.memory,
      fuel: flags.fuel === undefined ? undefined : String(flags.fuel),
    });
    const { agent, created, why, instances } = answer;
    const done = created ? "Deployed" : "Updated";
    const lines = (instances.length > 0 ? instances : [agent]).map(
      ({ name, node, revision, module }) =>
        `${done} ${name} on ${node} (revision ${revision}, module ${shortHash(module)})`,
    );
    call.output.lines(call.output.format === "wide" ? [...lines, `Why: ${why}`] : lines, answer);
  },
});

function readModule(file: string): Uint8Array {
  try {
    return readBounded(file, module_bytes_max);
  } catch (error) {
    throw new CaxtonError("invalid_argument", `Cannot read module ${pathText(file)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
