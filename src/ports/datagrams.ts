/**
 * UDP as the gossip driver sees it. An adapter absorbs the runtime's traps: an error of one
 * destination never loses another's packet, no error escapes as an exception, names are not accepted.
 */

/** An IP address and port; `host` is never a name. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export type SendOutcome = "sent" | "refused" | "blocked" | "unreachable" | "too_large" | "closed";

export interface DatagramSocket {
  readonly local: Address;
  /** Sends now or says why not; never throws. `refused` also reports an ICMP refusal that came back. */
  send(to: Address, bytes: Uint8Array): SendOutcome;
  close(): Promise<void>;
}

export interface DatagramHandlers {
  /** `bytes` are the callee's to keep. */
  readonly packet: (from: Address, bytes: Uint8Array) => void;
  /** A peer's ICMP refusal, when the runtime tells which one. */
  readonly refused: (to: Address) => void;
}

export interface Datagrams {
  /** Port 0 takes any. Throws `CaxtonError("port_in_use")` or `("invalid_argument")`. */
  bind(local: Address, handlers: DatagramHandlers): Promise<DatagramSocket>;
}

export function formatAddress(address: Address): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
