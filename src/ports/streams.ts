/**
 * Mutually authenticated byte streams between nodes (TLS over TCP in production). A connection is
 * handed over only when both sides' certificates were checked; bytes may still arrive in any chunks.
 */
import { CaxtonError } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import type { Address } from "./datagrams.ts";

/** What this node shows to peers and how it judges theirs. Made by `nodeIdentity` (security/certificates.ts). */
export interface StreamIdentity {
  /** PEM. `ca` is what the peer's certificate must descend from. */
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** Judges the peer's certificate (DER): chain, validity, cluster and name. Never throws. */
  readonly verify: (certificate: Uint8Array) => PeerVerdict;
}

/**
 * Reported of a dialler that went away or fell silent before it had shown who it is: a dial that was given up, a cut,
 * the probe of a load balancer. Nobody was refused.
 */
export const brokenHandshake = "the connection broke during the handshake";

export type PeerVerdict =
  | { readonly kind: "accepted"; readonly node: NodeId; readonly serial: string }
  | { readonly kind: "refused"; readonly code: "wrong_key" | "wrong_cluster"; readonly reason: string };

export interface StreamHandlers {
  /** `chunk` is the callee's to keep. May come before the awaited `connect` returns to its caller. */
  readonly data: (chunk: Uint8Array) => void;
  /** The buffer below its low-water mark again, after `write` returned false. */
  readonly drain: () => void;
  /** Once, at the end, also after `end` and `destroy`. `reason` is undefined when the peer closed in order. */
  readonly close: (reason: string | undefined) => void;
}

export interface StreamConnection {
  /** The node that the peer's certificate names. */
  readonly peer: NodeId;
  readonly remote: Address;
  /** Of the peer's certificate, lower-case hexadecimal. */
  readonly serial: string;
  /** Queues everything, always; false says: wait for `drain` before more. `bytes` must not change any more. */
  write(bytes: Uint8Array): boolean;
  /** Bytes queued and not yet taken by the operating system. */
  readonly buffered_bytes: number;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export interface StreamListener {
  readonly local: Address;
  /** New connections use the new identity; open ones stay. */
  setIdentity(identity: StreamIdentity): void;
  /** Stops listening; accepted connections stay with their owners. */
  close(): Promise<void>;
}

export interface Streams {
  /**
   * `accept` returns the handlers of a new connection; `refused` reports a failed handshake with the reason.
   * Throws `CaxtonError`: `port_in_use`, `invalid_argument`.
   */
  listen(
    local: Address,
    identity: StreamIdentity,
    accept: (connection: StreamConnection) => StreamHandlers,
    refused: (remote: string, reason: string) => void,
  ): Promise<StreamListener>;
  /**
   * Resolves when both sides have accepted each other. Throws `CaxtonError`: `unreachable` (also when another
   * node than `expect` answers), `timeout`, or `wrong_key` or `wrong_cluster` when either side refuses the other.
   */
  connect(
    to: Address,
    identity: StreamIdentity,
    options: { readonly timeout_ms: number; readonly expect?: NodeId },
    handlers: StreamHandlers,
  ): Promise<StreamConnection>;
}

/** The reason that a connection attempt ends with when nobody listens there, or a firewall says so. */
export const refusedReason = "connection refused";

export function wasRefused(error: unknown): boolean {
  return (
    error instanceof CaxtonError && error.code === "unreachable" && error.message.endsWith(refusedReason)
  );
}
