/** `caxton cluster add-node ADDR`: lets a node in that runs and waits to be. */
import { formatHostPort, parseHostPort } from "../../base/host-port.ts";
import { command } from "../command.ts";

export const addNode = command<Record<never, never>, [string]>({
  brief: "Let a running node in that waits at an address",
  description:
    "The node was started with --join and this cluster's key, and does not find the cluster: its seeds are wrong, or not " +
    "there any more. It is told where the cluster is. A node that joins by itself needs no such command.",
  examples: ["caxton cluster add-node new-node:7946", "caxton cluster add-node 10.0.0.4:7946"],
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        {
          parse: (input: string) => formatHostPort(parseHostPort(input)),
          placeholder: "ADDR",
          brief: "Where its gossip listens, as HOST:PORT",
        },
      ],
    },
  },
  run: async (call, _flags, address) => {
    const done = await (await call.client()).operations.addNode(address);
    call.output.lines([`Node ${done.node} joined (${done.address})`], done);
  },
});
