/** What other nodes are told to connect to, when the operator did not say. */
import { hostname, networkInterfaces } from "node:os";
import type { Address } from "../../ports/datagrams.ts";

/** The bound address itself, or for a wildcard the machine's first address that is not loopback or link-local. */
export function advertiseAddress(bound: Address): Address {
  if (bound.host !== "0.0.0.0" && bound.host !== "::") return bound;
  const family = bound.host === "::" ? "IPv6" : "IPv4";
  const candidates = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((address) => !address.internal && !/^(169\.254\.|fe80:)/i.test(address.address));
  const chosen = candidates.find((address) => address.family === family) ?? candidates[0];
  const loopback = family === "IPv6" ? "::1" : "127.0.0.1";
  return { host: chosen?.address ?? loopback, port: bound.port };
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === "::1" || host === "localhost" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Names and addresses by which a listener on `host` may be called: what its certificate must carry. */
export function namesOf(host: string): readonly string[] {
  const own =
    host === "0.0.0.0" || host === "::"
      ? Object.values(networkInterfaces()).flatMap((addresses) =>
          (addresses ?? []).map(({ address }) => address),
        )
      : [host];
  const plain = own.filter((address) => !address.includes("%"));
  return [...new Set(["localhost", "127.0.0.1", "::1", hostname(), ...plain])];
}
