/** Health, version and the OpenAPI document. */
import type { HealthAnswer, VersionAnswer } from "../api/system/health.ts";
import type { Transport } from "./transport.ts";

export class SystemClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Needs no token. A node that is not ready answers too, with `status: "failing"`. */
  ready(): Promise<HealthAnswer> {
    return this.#transport.json({ method: "GET", path: "/readyz" });
  }

  live(): Promise<HealthAnswer> {
    return this.#transport.json({ method: "GET", path: "/livez" });
  }

  version(): Promise<VersionAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/version" });
  }

  openapi(): Promise<Record<string, unknown>> {
    return this.#transport.json({ method: "GET", path: "/openapi.json" });
  }
}
