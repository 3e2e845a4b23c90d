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
  /**
   * Sends, or says at once why not; never throws. What goes wrong later comes to `failed`. The socket
   * may read `bytes` after the call: they must not change any more.
   */
  send(to: Address, bytes: Uint8Array): SendOutcome;
  close(): Promise<void>;
}

export interface DatagramHandlers {
  /** `bytes` are the callee's to keep. */
  readonly packet: (from: Address, bytes: Uint8Array) => void;
  /** A peer's ICMP refusal, when the runtime tells which one. */
  readonly refused: (to: Address) => void;
  /** A `send` that answered "sent" and failed after all; no destination when the socket itself had an error. */
  readonly failed?: (to: Address | undefined, outcome: SendOutcome, detail: string) => void;
}

export interface Datagrams {
  /** Port 0 takes any. Throws `CaxtonError("port_in_use")` or `("invalid_argument")`. */
  bind(local: Address, handlers: DatagramHandlers): Promise<DatagramSocket>;
}

export function formatAddress(address: Address): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
