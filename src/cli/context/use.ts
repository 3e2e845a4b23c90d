/** `caxton context use`: the node that later commands talk to. */
import { CaxtonError } from "../../base/errors.ts";
import { quote } from "../../base/ids.ts";
import { nearest } from "../../base/nearest.ts";
import { command } from "../command.ts";
import { readContexts, writeContexts } from "../contexts.ts";
import { asText } from "../parse.ts";

export const use = command<Record<never, never>, [string]>({
  brief: "Choose the saved node that commands talk to",
  examples: ["caxton context use production"],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: asText, placeholder: "NAME", brief: "A saved name" }],
    },
  },
  run: ({ output, env }, _flags, name) => {
    const { contexts } = readContexts(env);
    if (contexts[name] === undefined) {
      const near = nearest(name, Object.keys(contexts));
      const hint = near === undefined ? "see caxton context list" : `did you mean ${near}?`;
      throw new CaxtonError("not_found", `There is no context ${quote(name)}: ${hint}`);
    }
    writeContexts(env, { current: name, contexts });
    output.lines([`Using ${name}`], { name });
  },
});
