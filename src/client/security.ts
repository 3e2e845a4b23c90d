/** `/api/v1/security/…`, a method a route. */
import type { RotateGossipKeyAnswer } from "../api/security/gossip-key.ts";
import type { Transport } from "./transport.ts";

/** What the steps of a rotation may take beyond an ordinary request. */
const rotationPatience_ms = 30_000;

export class SecurityClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  rotateGossipKey(): Promise<RotateGossipKeyAnswer> {
    return this.#transport.json({
      method: "POST",
      path: "/api/v1/security/rotate-gossip-key",
      patience_ms: rotationPatience_ms,
    });
  }
}
