/** `caxton context add`: saves a node to talk to under a name; the first one is current from then on. */
import { CaxtonError } from "../../base/errors.ts";
import { parseAgentName, quote } from "../../base/ids.ts";
import { command } from "../command.ts";
import { localName, readContexts, writeContexts } from "../contexts.ts";
import { asText } from "../parse.ts";
import { findTarget } from "../target.ts";

export const add = command<{ readonly replace: boolean }, [string]>({
  brief: "Save a node to talk to; --api, --token and --data-dir say which",
  description:
    "The first one is current from then on; `caxton context use local` goes back to the local node.",
  examples: ["caxton context add production --api https://10.0.0.1:8080 --token eyJhbGciOi"],
  parameters: {
    flags: {
      replace: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "Even one that is saved already",
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: asText, placeholder: "NAME", brief: "What to call it" }],
    },
  },
  run: ({ output, flags, env }, { replace }, name) => {
    // Of the same alphabet as every other name.
    parseAgentName(name);
    if (name === localName)
      throw new CaxtonError(
        "invalid_argument",
        `"${localName}" means the node of this machine: take another name`,
      );
    const { api } = findTarget({ ...flags, context: undefined }, { ...env, CAXTON_CONTEXT: undefined });
    const { current, contexts } = readContexts(env);
    const before = contexts[name];
    if (before !== undefined && !replace && !flags.yes) {
      const text = `There is a context ${quote(name)} already (${before.api}): take another name, or say --replace`;
      throw new CaxtonError("already_exists", text);
    }
    const saved = {
      api,
      ...(flags.token === undefined ? {} : { token: flags.token }),
      ...(flags.dataDir === undefined ? {} : { data_dir: flags.dataDir }),
    };
    const now = current ?? name;
    writeContexts(env, { current: now, contexts: { ...contexts, [name]: saved } });
    const said = now === name ? "commands talk to it from now on" : `caxton context use ${name} talks to it`;
    output.lines([`Saved ${name}: ${api}; ${said}`], { name, api, current: now === name });
  },
});
