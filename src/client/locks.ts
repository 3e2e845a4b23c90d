/** `/api/v1/locks`. */
import type { LockAnswer, LockLook } from "../api/locks/locks.ts";
import { pathSegment } from "./path-segment.ts";
import type { Transport } from "./transport.ts";

export class LocksClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  get(name: string): Promise<LockLook> {
    return this.#transport.json({ method: "GET", path: pathOf(name) });
  }

  /** Acquires, or renews with the token. Throws `conflict` while another holds it. */
  acquire(
    name: string,
    options: { readonly ttl?: string; readonly holder?: string; readonly token?: number } = {},
  ): Promise<LockAnswer> {
    return this.#transport.json({ method: "POST", path: pathOf(name), json: options });
  }

  release(name: string, token: number): Promise<{ readonly name: string; readonly status: "released" }> {
    return this.#transport.json({ method: "DELETE", path: pathOf(name), query: { token } });
  }
}

function pathOf(name: string): string {
  return `/api/v1/locks/${pathSegment(name)}`;
}
