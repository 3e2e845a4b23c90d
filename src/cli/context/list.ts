/** `caxton context list`: the saved nodes; the current one is marked. Tokens are never shown. */
import { command } from "../command.ts";
import { readContexts } from "../contexts.ts";

export const list = command({
  brief: "List the saved nodes",
  examples: ["caxton context list"],
  parameters: {},
  run: ({ output, env }) => {
    const { current, contexts } = readContexts(env);
    const rows = Object.entries(contexts).map(([name, { api }]) => ({
      name,
      api,
      current: name === current,
    }));
    output.table(
      [
        { title: "NAME", cell: ({ name }) => name },
        { title: "API", cell: ({ api }) => api },
        { title: "CURRENT", cell: (row) => (row.current ? "*" : "") },
      ],
      rows,
      rows,
    );
  },
});
