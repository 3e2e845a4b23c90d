/**
 * Checks access tokens: signature by a key of the cluster, algorithm, type, issuer, audience and
 * times. A token that was checked is remembered by its hash, so that the common request costs no
 * signature; its times and its key's presence are looked at again at every use.
 */
import { type JWTPayload, jwtVerify } from "jose";
import { CaxtonError } from "../base/errors.ts";
import { namePattern } from "../base/ids.ts";
import { LruMap } from "../base/lru-map.ts";
import type { Clock } from "../ports/clock.ts";
import { tokenAudience, tokenType } from "./issuer.ts";
import { KeyLookup, type KeyLookupOptions } from "./jwks-lookup.ts";
import { type Role, isRole } from "./roles.ts";
import { type HashText, hashText } from "./tokens-hash.ts";

/** Who is calling. */
export interface Principal {
  readonly subject: string;
  readonly roles: readonly Role[];
  readonly tokenId: string;
  /** Thumbprint of the key that signed the token. */
  readonly keyId: string;
  /** Unix seconds. */
  readonly expires_s: number;
}

/** Clocks of two nodes may differ by this much. */
export const leeway_s = 5;
export const tokenLength_max = 4_096;
const cachedTokens = 10_000;
/** The latest ones are known by their text as well, which spares the hash of nearly every request. */
const recentTokens = 64;
const compactJws = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

interface Verified {
  readonly principal: Principal;
  readonly kid: string;
  readonly notBefore_s: number;
}

export interface TokenVerifierOptions extends KeyLookupOptions {
  readonly issuer: string;
  /** A fast SHA-256 of the runtime; Web Crypto's, slower, by default. */
  readonly hash?: HashText;
}

export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  readonly #clock: Clock;
  readonly #lookup: KeyLookup;
  readonly #hash: HashText;
  readonly #verified = new LruMap<string, Verified>(cachedTokens);
  readonly #recent = new LruMap<string, Verified>(recentTokens);

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#lookup = new KeyLookup(options);
    this.#hash = options.hash ?? hashText;
  }

  /** The token's holder; at once when it was checked before. Throws `CaxtonError("unauthenticated")` with the reason. */
  verify(token: string): Principal | Promise<Principal> {
    if (token.length > tokenLength_max) throw refused("it is not a signed JWT");
    const recent = this.#recent.get(token);
    if (recent !== undefined && this.#refusalOf(recent) === null) return recent.principal;
    const hash = this.#hash(token);
    return typeof hash === "string"
      ? this.#remembered(hash, token)
      : hash.then((text) => this.#remembered(text, token));
  }

  close(): void {
    this.#lookup.close();
  }

  #remembered(hash: string, token: string): Principal | Promise<Principal> {
    const verified = this.#verified.get(hash);
    if (verified === undefined) return this.#check(hash, token);
    const why = this.#refusalOf(verified);
    if (why !== null) {
      this.#verified.delete(hash);
      this.#recent.delete(token);
      throw refused(why);
    }
    this.#recent.set(token, verified);
    return verified.principal;
  }

  /** Why a token whose signature was checked before is good no more; null when it is. */
  #refusalOf({ kid, principal, notBefore_s }: Verified): string | null {
    if (!this.#lookup.has(kid)) return "its signing key is not one of this cluster";
    const now_s = this.#clock.wall_ms() / 1_000;
    if (now_s >= principal.expires_s + leeway_s) return "it has expired";
    return now_s < notBefore_s - leeway_s ? "it is not valid yet" : null;
  }

  async #check(hash: string, token: string): Promise<Principal> {
    if (!compactJws.test(token)) throw refused("it is not a signed JWT");
    const now_ms = this.#clock.wall_ms();
    let result;
    try {
      result = await jwtVerify(
        token,
        async ({ kid }) => {
          const key = await this.#lookup.find(kid);
          if (key === undefined) throw refused("its signing key is not one of this cluster");
          return key;
        },
        {
          algorithms: ["EdDSA"],
          issuer: this.#options.issuer,
          audience: tokenAudience,
          typ: tokenType,
          clockTolerance: leeway_s,
          currentDate: new Date(now_ms),
          requiredClaims: ["sub", "jti", "iat", "nbf", "exp"],
        },
      );
    } catch (error) {
      throw error instanceof CaxtonError ? error : refused(reason(error));
    }
    const verified = readClaims(result.payload, result.protectedHeader.kid as string, now_ms / 1_000);
    this.#verified.set(hash, verified);
    return verified.principal;
  }
}

function readClaims(claims: JWTPayload, kid: string, now_s: number): Verified {
  const { sub, jti, iat, nbf, exp, roles } = claims;
  if (typeof sub !== "string" || !namePattern.test(sub)) throw refused("its subject is not a name");
  if (typeof jti !== "string" || jti.length > 128)
    throw refused("its id is not text of at most 128 characters");
  if (typeof iat !== "number" || iat > now_s + leeway_s) throw refused("it was issued in the future");
  // A role that this version does not know grants nothing.
  const held = Array.isArray(roles) ? [...new Set(roles.filter(isRole))] : [];
  return {
    principal: { subject: sub, roles: held, tokenId: jti, keyId: kid, expires_s: exp as number },
    kid,
    notBefore_s: nbf as number,
  };
}

/** Words for jose's codes; none of them repeats what the token says. */
function reason(error: unknown): string {
  const {
    code,
    claim,
    reason: why,
  } = error as { readonly code?: string; readonly claim?: string; readonly reason?: string };
  switch (code) {
    case "ERR_JWT_EXPIRED":
      return "it has expired";
    case "ERR_JWT_CLAIM_VALIDATION_FAILED":
      if (claim === "nbf" && why === "check_failed") return "it is not valid yet";
      return `its ${claim ?? "claim"} is missing or not this cluster's`;
    case "ERR_JWS_SIGNATURE_VERIFICATION_FAILED":
      return "its signature is wrong";
    case "ERR_JOSE_ALG_NOT_ALLOWED":
      return "its algorithm is not EdDSA";
    default:
      return "it is not a JWT of this cluster";
  }
}

function refused(why: string): CaxtonError {
  return new CaxtonError("unauthenticated", `The token is refused: ${why}`);
}
