/** `caxton agent migrate NAME --to NODE`: moves an agent with all that it has; it rests for the moment that this takes. */
import { parseNodeId } from "../../base/ids.ts";
import { command } from "../command.ts";
import { proposeNodes } from "../known-names.ts";
import { agentArgument } from "../positional.ts";

export const migrate = command<{ readonly to: string }, [string]>({
  brief: "Move an agent to another node, with its state, mail and timers",
  examples: ["caxton agent migrate counter --to node-2"],
  parameters: {
    flags: {
      to: {
        kind: "parsed",
        parse: parseNodeId,
        proposeCompletions: proposeNodes,
        placeholder: "NODE",
        brief: "The node it is to run on",
      },
    },
    positional: agentArgument,
  },
  run: async (call, { to }, name) => {
    const agent = await (await call.client()).agents.migrate(name, to);
    call.output.lines([`Migrated ${name} to ${agent.node} (epoch ${agent.epoch})`], agent);
  },
});
