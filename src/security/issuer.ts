/**
 * Issues access tokens (RFC 9068 `at+jwt`, EdDSA) in the name of the cluster, signed by this node.
 * Checking them is `tokens.ts`.
 */
import { SignJWT } from "jose";
import { CaxtonError } from "../base/errors.ts";
import { namePattern, nameRule, quote } from "../base/ids.ts";
import type { Clock } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { SigningKey } from "./issuer-key.ts";
import type { Role } from "./roles.ts";

export const tokenAudience = "caxton-api";
export const tokenType = "at+jwt";
export const tokenLifetime_ms_max = 366 * 24 * 3_600_000;

/** The `iss` of every node of a cluster, of its name: one that joins knows it before it knows the UUID. */
export function issuerName(cluster: string): string {
  return `caxton:${cluster}`;
}

export interface IssuerOptions {
  readonly key: SigningKey;
  readonly issuer: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

export interface TokenRequest {
  /** A name (`nameRule`): it is also the client's address for messages. */
  readonly subject: string;
  readonly roles: readonly Role[];
  readonly lifetime_ms: number;
}

export class TokenIssuer {
  readonly #options: IssuerOptions;

  constructor(options: IssuerOptions) {
    this.#options = options;
  }

  /** A signed token, valid from now. Throws `CaxtonError("invalid_argument")`. */
  async issue(request: TokenRequest): Promise<string> {
    const { subject, roles, lifetime_ms } = request;
    if (!namePattern.test(subject))
      throw new CaxtonError("invalid_argument", `Subject ${quote(subject)} is not ${nameRule}`);
    if (!(lifetime_ms >= 1_000 && lifetime_ms <= tokenLifetime_ms_max)) {
      throw new CaxtonError("invalid_argument", "A token lives between 1 second and 366 days");
    }
    const now_s = Math.floor(this.#options.clock.wall_ms() / 1_000);
    return await new SignJWT({ roles: [...roles], client_id: subject })
      .setProtectedHeader({ alg: "EdDSA", typ: tokenType, kid: this.#options.key.publicJwk.kid })
      .setIssuer(this.#options.issuer)
      .setAudience(tokenAudience)
      .setSubject(subject)
      .setJti(hex(this.#options.entropy.bytes(16)))
      .setIssuedAt(now_s)
      .setNotBefore(now_s)
      .setExpirationTime(now_s + Math.floor(lifetime_ms / 1_000))
      .sign(this.#options.key.privateKey);
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
