/** Datagrams over a `MemoryNetwork`: same contract as UDP, with faults on demand and no sockets. */
import { CaxtonError } from "../../base/errors.ts";
import type { Address, DatagramHandlers, Datagrams, DatagramSocket } from "../../ports/datagrams.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import type { MemoryNetwork } from "./network.ts";

/** UDP over IPv4 carries no more. */
const datagramLimit_bytes = 65_507;
const firstEphemeralPort = 49_152;

/** One network's datagram sockets; every node of a simulation binds on the same one. */
export function memoryDatagrams(network: MemoryNetwork): Datagrams {
  const sockets = new Map<string, DatagramHandlers>();
  let nextPort = firstEphemeralPort;

  const deliver = (from: Address, to: Address, bytes: Uint8Array): void => {
    network.carry(from.host, to.host, () => {
      const receiver = sockets.get(formatAddress(to));
      if (receiver) receiver.packet(from, bytes.slice());
      else network.carry(to.host, from.host, () => sockets.get(formatAddress(from))?.refused(to));
    });
  };

  return {
    async bind(wanted, handlers) {
      const local: Address = { host: wanted.host, port: wanted.port === 0 ? nextPort++ : wanted.port };
      const name = formatAddress(local);
      if (sockets.has(name))
        throw new CaxtonError("port_in_use", `Cannot listen on ${name} (UDP): the address is in use`);
      sockets.set(name, handlers);
      let open = true;
      const socket: DatagramSocket = {
        local,
        send(to, bytes) {
          if (!open) return "closed";
          if (bytes.length > datagramLimit_bytes) return "too_large";
          deliver(local, to, bytes.slice());
          return "sent";
        },
        async close() {
          if (open) sockets.delete(name);
          open = false;
        },
      };
      return socket;
    },
  };
}
