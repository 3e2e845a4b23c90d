/**
 * Whether the addresses of the configuration can be listened on, asked before anything is begun: a first
 * start that fails for a taken port must not leave a cluster behind in the data directory. Listening
 * itself comes later, and may still fail.
 */
import { createServer } from "node:net";
import type { Config } from "../../config/keys.ts";
import { listenError } from "../../platform/node/listen-error.ts";
import type { Address } from "../../ports/datagrams.ts";

/** Throws `port_in_use` (or `invalid_argument`) with the flag that names another address. */
export async function refuseTakenAddresses(config: Config): Promise<void> {
  const { bind_addr } = config.coordination.cluster;
  await tryListening(bind_addr, "--bind-addr");
  await tryListening(config.node.api_addr, "--api-addr");
  await tryListening(config.observability.metrics_addr, "--metrics-addr");
}

function tryListening(address: Address, flag: string): Promise<void> {
  if (address.port === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(listenError(address, "TCP", error, `; choose another with ${flag}`));
    });
    server.listen({ host: address.host, port: address.port, exclusive: true }, () => {
      server.close(() => resolve());
    });
  });
}
