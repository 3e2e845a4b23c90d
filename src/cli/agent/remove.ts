/** `caxton agent remove NAME`. */
import { command } from "../command.ts";
import { agentArgument } from "../positional.ts";

export const remove = command<Record<never, never>, [string]>({
  brief: "Remove an agent; its unhandled mail becomes dead letters",
  examples: ["caxton agent remove echo", "caxton agent remove echo --yes"],
  parameters: { positional: agentArgument },
  run: async (call, _flags, name) => {
    await call.confirm(`Remove ${name} and what it keeps?`);
    const done = await (await call.client()).agents.remove(name);
    call.output.lines([`Removed ${name}`], done);
  },
});
