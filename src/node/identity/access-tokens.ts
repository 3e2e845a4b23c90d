/**
 * Tokens for people and programs, signed by this node as its administrator's is, and so good at every node
 * that knows its key. Each one is in the log and among the events by its id; the token itself never is.
 * None is kept: it ends by itself, and not sooner.
 */
import { decodeJwt } from "jose";
import type { IssuedToken, TokenService } from "../../api/services.ts";
import { formatDuration } from "../../base/durations.ts";
import { CaxtonError } from "../../base/errors.ts";
import { hexOfBytes } from "../../base/hex.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import type { TokenIssuer } from "../../security/issuer.ts";
import { logger } from "../../telemetry/log.ts";

export interface AccessTokensOptions {
  readonly issuer: TokenIssuer;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Among the events of this node. */
  readonly told: (text: string, data: Readonly<Record<string, unknown>>) => void;
}

export class AccessTokens implements TokenService {
  readonly #options: AccessTokensOptions;

  constructor(options: AccessTokensOptions) {
    this.#options = options;
  }

  async issue({
    role,
    lifetime_ms,
    by,
    ...request
  }: Parameters<TokenService["issue"]>[0]): Promise<IssuedToken> {
    const { issuer, clock, entropy, told } = this.#options;
    const left_ms = Math.floor(by.expires_s * 1_000 - clock.wall_ms());
    // Else a token that is to end could be made to go on for ever.
    if (role === "admin" && lifetime_ms > left_ms) {
      const left = formatDuration(Math.max(0, Math.floor(left_ms / 60_000)) * 60_000);
      throw new CaxtonError(
        "invalid_argument",
        `A token of the role admin ends no later than the one it is asked with: ask for at most ${left}`,
      );
    }
    const subject = request.subject ?? `${role}-${hexOfBytes(entropy.bytes(4))}`;
    const token = await issuer.issue({ subject, roles: [role], lifetime_ms });
    const { jti: id, exp: expires_s } = decodeJwt<{ jti: string; exp: number }>(token);
    const expiresAt_ms = expires_s * 1_000;
    const expires_at = new Date(expiresAt_ms).toISOString();
    const text = `${by.subject} issued a token of the role ${role} to ${subject}, until ${expires_at}`;
    logger("security").info("{text} (id {id}, asked with {with})", { text, id, with: by.tokenId });
    told(text, { id, subject, role, expires_at, by: by.subject, asked_with: by.tokenId });
    return { token, id, subject, role, expiresAt_ms };
  }
}
