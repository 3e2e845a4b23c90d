import { SignJWT, generateKeyPair, exportJWK, calculateJwkThumbprint } from "jose";
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { seededEntropy } from "../../../src/platform/memory/entropy.ts";
import { type SigningKey, makeSigningKey, readSigningKey } from "../../../src/security/issuer-key.ts";
import { TokenIssuer, issuerName } from "../../../src/security/issuer.ts";
import { ClusterKeys } from "../../../src/security/jwks.ts";
import { TokenVerifier, type TokenVerifierOptions } from "../../../src/security/tokens.ts";
import { hashTextNative } from "../../../src/security/tokens-hash-native.ts";
import { hashText } from "../../../src/security/tokens-hash.ts";

const issuer = issuerName("test");
const hour_ms = 3_600_000;

async function world(more: Partial<TokenVerifierOptions> = {}) {
  const clock = new VirtualClock();
  const key = await readSigningKey(await makeSigningKey());
  const keys = new ClusterKeys();
  keys.set("node-1", [key.publicJwk]);
  const tokens = new TokenIssuer({ key, issuer, clock, entropy: seededEntropy(1) });
  const verifier = new TokenVerifier({ keys, clock, issuer, hash: hashTextNative, ...more });
  return { clock, key, keys, tokens, verifier };
}

/** What a forger or another issuer could make: every part is a parameter. */
async function forge(
  key: SigningKey,
  clock: VirtualClock,
  change: { header?: object; claims?: object } = {},
): Promise<string> {
  const now_s = Math.floor(clock.wall_ms() / 1_000);
  const claims = {
    iss: issuer,
    aud: "caxton-api",
    sub: "eve",
    jti: "1",
    iat: now_s,
    nbf: now_s,
    exp: now_s + 60,
    roles: ["admin"],
  };
  return await new SignJWT({ ...claims, ...change.claims })
    .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid: key.publicJwk.kid, ...change.header })
    .sign(key.privateKey);
}

async function refusal(verifier: TokenVerifier, token: string): Promise<string> {
  try {
    await verifier.verify(token);
  } catch (error) {
    expect(error).toMatchObject({ code: "unauthenticated" });
    return (error as Error).message;
  }
  throw new Error(`accepted: ${token}`);
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("tokens", () => {
  it("accepts what the cluster issued, and at once the second time", async () => {
    const { tokens, verifier } = await world();
    const token = await tokens.issue({ subject: "alice", roles: ["developer"], lifetime_ms: hour_ms });
    const first = verifier.verify(token);
    expect(first).toBeInstanceOf(Promise);
    expect(await first).toMatchObject({ subject: "alice", roles: ["developer"] });
    expect(verifier.verify(token)).toMatchObject({ subject: "alice" });
  });

  it("accepts a token of another node of the cluster once its key has spread", async () => {
    const { clock, keys, verifier } = await world();
    const other = await readSigningKey(await makeSigningKey());
    const token = await forge(other, clock);
    expect(await refusal(verifier, token)).toContain("signing key");
    keys.set("node-2", [other.publicJwk]);
    expect(await verifier.verify(token)).toMatchObject({ subject: "eve" });
  });

  it("refuses a remembered token when it expires, with 5 s of leeway", async () => {
    const { clock, tokens, verifier } = await world();
    const token = await tokens.issue({ subject: "alice", roles: ["viewer"], lifetime_ms: 60_000 });
    await verifier.verify(token);
    clock.advance(64_000);
    expect(verifier.verify(token)).toMatchObject({ subject: "alice" });
    clock.advance(2_000);
    expect(await refusal(verifier, token)).toContain("expired");
    expect(await refusal(verifier, token)).toContain("expired");
  });

  it("refuses a remembered token when its key leaves the set, one that was just used, too", async () => {
    const { keys, tokens, verifier } = await world();
    const [rare, usual] = await Promise.all(
      ["alice", "bob"].map((subject) => tokens.issue({ subject, roles: ["viewer"], lifetime_ms: hour_ms })),
    );
    await verifier.verify(rare as string);
    for (let use = 0; use < 3; use++) await verifier.verify(usual as string);
    keys.remove("node-1");
    expect(await refusal(verifier, rare as string)).toContain("signing key");
    expect(await refusal(verifier, usual as string)).toContain("signing key");
  });

  it("hashes a token again only when many others were used since", async () => {
    const hashed: string[] = [];
    const hash = (text: string): string => {
      hashed.push(text);
      return hashTextNative(text) as string;
    };
    const { tokens, verifier } = await world({ hash });
    const issue = (subject: string): Promise<string> =>
      tokens.issue({ subject, roles: ["viewer"], lifetime_ms: hour_ms });
    const token = await issue("alice");
    for (let use = 0; use < 10; use++) await verifier.verify(token);
    const uses = hashed.length;
    expect(uses).toBe(2);
    for (let other = 0; other < 64; other++) {
      const another = await issue(`user-${other}`);
      await verifier.verify(another);
      await verifier.verify(another);
    }
    expect(await verifier.verify(token)).toMatchObject({ subject: "alice" });
    expect(hashed.filter((text) => text === token)).toHaveLength(uses + 1);
  });

  it("refuses wrong claims and headers, each with its reason", async () => {
    const { clock, key, verifier } = await world();
    const now_s = Math.floor(clock.wall_ms() / 1_000);
    const cases: readonly (readonly [string, { header?: object; claims?: object }])[] = [
      ["its aud", { claims: { aud: "other-api" } }],
      ["its iss", { claims: { iss: "caxton:other" } }],
      ["its typ", { header: { typ: "JWT" } }],
      ["its typ", { header: { typ: undefined } }],
      ["expired", { claims: { exp: now_s - 6 } }],
      ["not valid yet", { claims: { nbf: now_s + 6 } }],
      ["issued in the future", { claims: { iat: now_s + 60 } }],
      ["its exp", { claims: { exp: undefined } }],
      ["its nbf", { claims: { nbf: undefined } }],
      ["its jti", { claims: { jti: undefined } }],
      ["subject", { claims: { sub: "a b/../c" } }],
      ["signing key", { header: { kid: undefined } }],
      ["signing key", { header: { kid: "../../etc/passwd" } }],
      ["not a JWT of this cluster", { header: { crit: ["exp"] } }],
    ];
    for (const [text, change] of cases) {
      const token = await forge(key, clock, change).catch(
        () => `${part({ alg: "EdDSA", ...change.header })}.e30.AA`,
      );
      expect(await refusal(verifier, token), JSON.stringify(change)).toContain(text);
    }
    expect(await verifier.verify(await forge(key, clock))).toMatchObject({ subject: "eve" });
  });

  it("refuses alg none, HMAC with the public key, and other algorithms", async () => {
    const { clock, key, verifier } = await world();
    const [, body] = (await forge(key, clock)).split(".") as [string, string];
    expect(
      await refusal(verifier, `${part({ alg: "none", typ: "at+jwt", kid: key.publicJwk.kid })}.${body}.`),
    ).toContain("not a signed JWT");
    expect(await refusal(verifier, `${part({ alg: "none", typ: "at+jwt" })}.${body}.AA`)).toContain(
      "algorithm",
    );
    for (const secret of [key.publicJwk.x, JSON.stringify(key.publicJwk)]) {
      const signed = await new SignJWT({ sub: "eve" })
        .setProtectedHeader({ alg: "HS256", typ: "at+jwt", kid: key.publicJwk.kid })
        .sign(new TextEncoder().encode(secret.padEnd(32, "=")));
      expect(await refusal(verifier, signed)).toContain("algorithm");
    }
    const es = await generateKeyPair("ES256");
    const signed = await new SignJWT({})
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: key.publicJwk.kid })
      .sign(es.privateKey);
    expect(await refusal(verifier, signed)).toContain("algorithm");
  });

  it("refuses every truncation and every changed character of a good token", async () => {
    const { clock, key, verifier } = await world();
    const token = await forge(key, clock);
    for (let length = 0; length < token.length; length += 7) await refusal(verifier, token.slice(0, length));
    const [head, body, signature] = token.split(".") as [string, string, string];
    for (let i = 0; i < body.length; i += 5) {
      const changed = body.slice(0, i) + (body[i] === "A" ? "B" : "A") + body.slice(i + 1);
      await refusal(verifier, `${head}.${changed}.${signature}`);
    }
    await refusal(verifier, `${head}.${body}.${signature}.${signature}`);
    await refusal(verifier, `${token}\n`);
    await refusal(verifier, "x".repeat(1_000_000));
  });

  it("keeps unknown roles from granting anything", async () => {
    const { clock, key, verifier } = await world();
    const token = await forge(key, clock, {
      claims: { roles: ["root", "__proto__", 7, "viewer", "viewer"] },
    });
    expect(await verifier.verify(token)).toMatchObject({ roles: ["viewer"] });
  });

  it("asks peers once for an unknown key, and remembers that nobody has it", async () => {
    let fetches = 0;
    const { clock, keys, verifier } = await world({
      fetchMissing: async () => {
        fetches += 1;
        await Promise.resolve();
        if (fetches === 2) keys.set("node-9", [late.publicJwk]);
      },
    });
    const nobody = await readSigningKey(await makeSigningKey());
    const late = await readSigningKey(await makeSigningKey());
    const token = await forge(nobody, clock);
    await Promise.all([refusal(verifier, token), refusal(verifier, token)]);
    clock.advance(1_000);
    await refusal(verifier, token);
    expect(fetches).toBe(1);
    expect(await verifier.verify(await forge(late, clock))).toMatchObject({ subject: "eve" });
    expect(fetches).toBe(2);
  });

  it("spaces fetches, whatever ids are made up", async () => {
    let fetches = 0;
    const { clock, verifier } = await world({ fetchMissing: async () => void (fetches += 1) });
    for (let i = 0; i < 20; i++) {
      const { privateKey, publicKey } = await generateKeyPair("EdDSA", { extractable: true });
      const kid = await calculateJwkThumbprint(await exportJWK(publicKey));
      const key = { privateKey, publicJwk: { kid } } as unknown as SigningKey;
      await refusal(verifier, await forge(key, clock));
    }
    expect(fetches).toBe(1);
  });

  it("hashes alike on every runtime", async () => {
    expect(await hashText("token")).toBe(hashTextNative("token"));
  });
});
