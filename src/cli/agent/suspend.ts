/** `caxton agent suspend NAME`. */
import { command } from "../command.ts";
import { agentArgument } from "../positional.ts";

export const suspend = command<Record<never, never>, [string]>({
  brief: "Park an agent; its mail is kept",
  examples: ["caxton agent suspend echo"],
  parameters: { positional: agentArgument },
  run: async (call, _flags, name) => {
    const done = await (await call.client()).agents.suspend(name);
    call.output.lines([`Suspended ${name}`], done);
  },
});
