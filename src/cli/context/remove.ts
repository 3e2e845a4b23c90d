/** `caxton context remove`: forgets a saved node and its token; of the current one the local node is next. */
import { command } from "../command.ts";
import { readContexts, savedContext, writeContexts } from "../contexts.ts";
import { proposeContexts } from "../known-names.ts";
import { asText } from "../parse.ts";

export const remove = command<Record<never, never>, [string]>({
  brief: "Forget a saved node and its token",
  examples: ["caxton context remove production"],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        { parse: asText, proposeCompletions: proposeContexts, placeholder: "NAME", brief: "A saved name" },
      ],
    },
  },
  run: ({ output, env }, _flags, name) => {
    const saved = readContexts(env);
    savedContext(saved, name);
    const { [name]: _, ...contexts } = saved.contexts;
    const wasCurrent = saved.current === name;
    writeContexts(env, { current: wasCurrent ? null : saved.current, contexts });
    const next = wasCurrent ? "; commands talk to the local node again" : "";
    output.lines([`Removed ${name}${next}`], { name, was_current: wasCurrent });
  },
});
