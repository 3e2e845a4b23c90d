/** `/api/v1/tokens`. */
import type { TokenAnswer } from "../api/tokens/tokens.ts";
import type { Role } from "../security/roles.ts";
import type { Transport } from "./transport.ts";

export interface TokenOptions {
  readonly role: Role;
  readonly subject?: string | undefined;
  /** As text, `24h`. */
  readonly expires_in?: string | undefined;
}

export class TokensClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  issue(options: TokenOptions): Promise<TokenAnswer> {
    return this.#transport.json({ method: "POST", path: "/api/v1/tokens", json: options });
  }
}
