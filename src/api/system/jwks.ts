/** `GET /.well-known/jwks.json`: the public keys with which the cluster's tokens can be checked (RFC 7517). */
import * as v from "valibot";
import type { PublicKeys } from "../../security/jwks.ts";
import type { ApiRoutes } from "../http/endpoint.ts";

const jwk = v.object({
  kty: v.literal("OKP"),
  crv: v.literal("Ed25519"),
  x: v.string(),
  kid: v.string(),
  alg: v.literal("EdDSA"),
  use: v.literal("sig"),
});
export const jwksAnswer = v.object({ keys: v.array(jwk) });

export function addJwks(api: ApiRoutes, keys: PublicKeys): void {
  api.add(
    "get",
    "/.well-known/jwks.json",
    {
      tag: "system",
      summary: "Public keys of the cluster's token issuers",
      answer: jwksAnswer,
      answerMedia: "application/jwk-set+json",
    },
    () =>
      new Response(JSON.stringify({ keys: keys.all() }), {
        headers: { "content-type": "application/jwk-set+json", "cache-control": "public, max-age=60" },
      }),
  );
}
