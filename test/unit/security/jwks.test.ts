import { describe, expect, it } from "vitest";
import { makeSigningKey, readSigningKey } from "../../../src/security/issuer-key.ts";
import { ClusterKeys, ownerKeyLimit, parseJwk, parseJwkSet } from "../../../src/security/jwks.ts";

const makeJwk = async () => (await readSigningKey(await makeSigningKey())).publicJwk;

describe("public keys", () => {
  it("are read back from JSON as they were published", async () => {
    const jwk = await makeJwk();
    expect(await parseJwkSet(JSON.parse(JSON.stringify({ keys: [jwk] })))).toEqual([jwk]);
  });

  it("are refused with a foreign kid, another type, a private part or a wrong length", async () => {
    const [jwk, other] = [await makeJwk(), await makeJwk()];
    const bad: readonly (readonly [string, unknown])[] = [
      ["thumbprint", { ...jwk, kid: other.kid }],
      ["thumbprint", { ...jwk, kid: undefined }],
      ["private key", { ...jwk, d: jwk.x }],
      ["Ed25519", { ...jwk, crv: "X25519" }],
      ["Ed25519", { kty: "oct", k: "AAAA" }],
      ["32 bytes", { ...jwk, x: "AAAA" }],
      ["32 bytes", { ...jwk, x: 7 }],
      ["Ed25519", null],
    ];
    for (const [text, value] of bad) await expect(parseJwk(value)).rejects.toThrow(text);
    await expect(parseJwkSet({ keys: "x" })).rejects.toThrow("array");
    await expect(parseJwkSet({ keys: Array.from({ length: 9 }, () => jwk) })).rejects.toThrow("at most");
  });

  it("are one set of all owners, each told of once, bounded an owner", async () => {
    const [a, b] = [await makeJwk(), await makeJwk()];
    const keys = new ClusterKeys();
    let changes = 0;
    const end = keys.subscribe(() => (changes += 1));
    keys.set("node-1", [a]);
    keys.set("node-1", [a]);
    keys.set("node-2", [b, a]);
    expect(
      keys
        .all()
        .map((key) => key.kid)
        .toSorted(),
    ).toEqual([a.kid, b.kid].toSorted());
    expect(changes).toBe(2);
    expect(() =>
      keys.set(
        "node-3",
        Array.from({ length: ownerKeyLimit + 1 }, () => a),
      ),
    ).toThrow("Too many");
    end();
    keys.remove("node-2");
    expect(changes).toBe(2);
    expect(keys.all()).toEqual([a]);
  });

  it("come from a key file that is refused when damaged, without quoting the secret", async () => {
    const bytes = await makeSigningKey();
    const text = new TextDecoder().decode(bytes);
    const secret = JSON.parse(text).d as string;
    for (const damaged of [
      text.slice(0, 40),
      text.replace("Ed25519", "P-256"),
      "",
      text.replace(secret, "AA"),
    ]) {
      const failed = readSigningKey(new TextEncoder().encode(damaged));
      await expect(failed).rejects.toMatchObject({ code: "data_corrupt" });
      await failed.catch((error: Error) => expect(error.message).not.toContain(secret.slice(0, 8)));
    }
  });
});
