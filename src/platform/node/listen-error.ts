/** Why an address cannot be listened on, in words. An address of no interface may come up later, as a taken one may be freed. */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { type Address, formatAddress } from "../../ports/datagrams.ts";

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "the address is in use",
  EADDRNOTAVAIL: "this machine has no such address",
};

/** `port_in_use` for an address that another one, or a later try, may do for; else `invalid_argument`. `advice` says what to do. */
export function listenError(address: Address, by: "TCP" | "UDP", error: unknown, advice = ""): CaxtonError {
  const known = reasons[String((error as { readonly code?: unknown }).code)];
  const text = `Cannot listen on ${formatAddress(address)} (${by}): ${known ?? reasonOf(error)}${advice}`;
  return new CaxtonError(known === undefined ? "invalid_argument" : "port_in_use", text, { cause: error });
}
