/** `caxton context add`: saves a node to talk to under a name, and makes the first one current. */
import { parseAgentName } from "../../base/ids.ts";
import { command } from "../command.ts";
import { readContexts, writeContexts } from "../contexts.ts";
import { asText } from "../parse.ts";
import { findTarget } from "../target.ts";

export const add = command<Record<never, never>, [string]>({
  brief: "Save a node to talk to; --api, --token and --data-dir say which",
  examples: ["caxton context add production --api https://10.0.0.1:8080 --token eyJhbGciOi"],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: asText, placeholder: "NAME", brief: "What to call it" }],
    },
  },
  run: ({ output, flags, env }, _own, name) => {
    // Of the same alphabet as every other name.
    parseAgentName(name);
    const { api } = findTarget({ ...flags, context: undefined }, { ...env, CAXTON_CONTEXT: undefined });
    const { current, contexts } = readContexts(env);
    const saved = {
      api,
      ...(flags.token === undefined ? {} : { token: flags.token }),
      ...(flags.dataDir === undefined ? {} : { data_dir: flags.dataDir }),
    };
    writeContexts(env, { current: current ?? name, contexts: { ...contexts, [name]: saved } });
    output.lines([`Saved ${name}: ${api}`], { name, api });
  },
});
