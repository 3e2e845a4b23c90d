/** An API over services in memory, its issuer, and tokens of each role: what tests of the API begin with. */
import { createApi, type ApiOptions } from "../../src/api/app.ts";
import { AccessTokens } from "../../src/node/identity/access-tokens.ts";
import { VirtualClock } from "../../src/platform/memory/clock.ts";
import { seededEntropy } from "../../src/platform/memory/entropy.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { makeSigningKey, readSigningKey } from "../../src/security/issuer-key.ts";
import { TokenIssuer, issuerName } from "../../src/security/issuer.ts";
import { ClusterKeys } from "../../src/security/jwks.ts";
import type { Role } from "../../src/security/roles.ts";
import { hashTextNative } from "../../src/security/tokens-hash-native.ts";
import { TokenVerifier } from "../../src/security/tokens.ts";
import { MemoryServices } from "./memory-services.ts";

const lifetime_ms = 3_600_000;

/** Time moves only when told (`apiWorldAt` for the machine's own clock). */
export async function apiWorld(more: Partial<ApiOptions> = {}) {
  return await apiWorldAt(new VirtualClock(), more);
}

export async function apiWorldAt<C extends Clock>(clock: C, more: Partial<ApiOptions> = {}) {
  const entropy = seededEntropy(7);
  const key = await readSigningKey(await makeSigningKey());
  const keys = new ClusterKeys();
  keys.set("node-1", [key.publicJwk]);
  const issuer = issuerName("test");
  const tokens = new TokenIssuer({ key, issuer, clock, entropy });
  const verifier = new TokenVerifier({ keys, clock, issuer, hash: hashTextNative });
  const services = new MemoryServices(clock);
  const told: string[] = [];
  services.tokens = new AccessTokens({ issuer: tokens, clock, entropy, told: (text) => told.push(text) });
  const app = createApi(services, { verifier, keys, clock, entropy, ...more });
  const token = (role: Role, subject = `${role}-user`) =>
    tokens.issue({ subject, roles: [role], lifetime_ms });
  const admin = await token("admin");

  /** A request with the administrator's token unless `headers` say otherwise. */
  const call = async (
    method: string,
    path: string,
    init: RequestInit & { json?: unknown } = {},
  ): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", `Bearer ${admin}`);
    const { json, ...rest } = init;
    if (json !== undefined) {
      headers.set("content-type", "application/json");
      rest.body = JSON.stringify(json);
    }
    return await app.fetch(new Request(`http://node${path}`, { ...rest, method, headers }));
  };
  return { app, call, clock, services, token, tokens, keys, verifier, key, admin, issuer, told };
}
