/** `caxton agent resume NAME`. */
import { command } from "../command.ts";
import { agentArgument } from "../positional.ts";

export const resume = command<Record<never, never>, [string]>({
  brief: "Let a parked agent go on",
  examples: ["caxton agent resume echo"],
  parameters: { positional: agentArgument },
  run: async (call, _flags, name) => {
    const done = await (await call.client()).agents.resume(name);
    call.output.lines([`Resumed ${name}`], done);
  },
});
