/** `caxton context use`: the node that later commands talk to, a saved one or again the local one. */
import { command } from "../command.ts";
import { localName, readContexts, savedContext, writeContexts } from "../contexts.ts";
import { proposeContexts } from "../known-names.ts";
import { asText } from "../parse.ts";

export const use = command<Record<never, never>, [string]>({
  brief: "Choose the saved node that commands talk to; `local` is the one of this machine",
  examples: ["caxton context use production", "caxton context use local"],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: asText,
          proposeCompletions: proposeContexts,
          placeholder: "NAME",
          brief: "A saved name, or local",
        },
      ],
    },
  },
  run: ({ output, env }, _flags, name) => {
    const saved = readContexts(env);
    const isLocal = name === localName;
    if (!isLocal) savedContext(saved, name);
    writeContexts(env, { ...saved, current: isLocal ? null : name });
    output.lines([isLocal ? "Using the local node" : `Using ${name}`], { name });
  },
});
