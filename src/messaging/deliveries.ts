/** Where the router hands messages to: agents and clients of this node. */
import type { Outcome } from "../wire/outcome.ts";

/** Agents of this node, as the router hands messages to them. */
export interface LocalDelivery {
  /** `done` is called once; for a durable agent `accepted` means durably. */
  deliver(message: Uint8Array, done: (outcome: Outcome) => void): void;
}

/** Clients of this node's API: receivers whose name begins with `~`. */
export interface ClientDelivery {
  deliver(address: string, message: Uint8Array): void;
}
