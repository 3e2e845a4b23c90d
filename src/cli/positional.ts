/** Positional arguments that several commands take. */
import { parseAgentName, parseNodeId } from "../base/ids.ts";
import type { AgentName, NodeId } from "../base/ids.ts";
import { proposeAgents, proposeNodes } from "./known-names.ts";

export const agentArgument = {
  kind: "tuple",
  parameters: [
    {
      parse: (input: string): AgentName => parseAgentName(input),
      proposeCompletions: proposeAgents,
      placeholder: "NAME",
      brief: "The agent",
    },
  ],
} as const;

export const nodeArgument = {
  kind: "tuple",
  parameters: [
    {
      parse: (input: string): NodeId => parseNodeId(input),
      proposeCompletions: proposeNodes,
      placeholder: "NODE",
      brief: "The node",
    },
  ],
} as const;
