import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../../src/platform/memory/clock.ts";
import { seededEntropy } from "../../../src/platform/memory/entropy.ts";
import { adminLifetime_ms, readAdminToken, renewAdminToken } from "../../../src/security/admin-token.ts";
import { loadSigningKey } from "../../../src/security/issuer-key-file.ts";
import { TokenIssuer, issuerName } from "../../../src/security/issuer.ts";
import { ClusterKeys } from "../../../src/security/jwks.ts";
import { TokenVerifier } from "../../../src/security/tokens.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "caxton-admin-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function options() {
  const clock = new VirtualClock();
  const key = await loadSigningKey(join(folder, "signing.key"));
  const keys = new ClusterKeys();
  keys.set("node-1", [key.publicJwk]);
  const issuer = new TokenIssuer({ key, issuer: issuerName("c"), clock, entropy: seededEntropy(1) });
  const verifier = new TokenVerifier({ keys, clock, issuer: issuerName("c") });
  return { path: join(folder, "admin.token"), issuer, verifier, clock };
}

describe("the admin token", () => {
  it("is made once, for its owner's eyes only, and kept until half of its life is over", async () => {
    const made = await options();
    const first = await renewAdminToken(made);
    expect(first.renewed).toBe(true);
    expect(statSync(made.path).mode & 0o777).toBe(0o600);
    expect(await made.verifier.verify(first.token)).toMatchObject({ subject: "admin", roles: ["admin"] });
    made.clock.advance(adminLifetime_ms / 2 - 10_000);
    expect(await renewAdminToken(made)).toMatchObject({ renewed: false, token: first.token });
    made.clock.advance(20_000);
    const second = await renewAdminToken(made);
    expect(second.renewed).toBe(true);
    expect(await readAdminToken(made.path)).toBe(second.token);
    expect(readdirSync(folder).toSorted()).toEqual(["admin.token", "signing.key"]);
  });

  it("is replaced when damaged or signed by a key that is gone", async () => {
    const made = await options();
    const first = await renewAdminToken(made);
    writeFileSync(made.path, "damaged");
    const second = await renewAdminToken(made);
    expect(second.renewed).toBe(true);
    rmSync(join(folder, "signing.key"));
    expect((await renewAdminToken(await options())).renewed).toBe(true);
    expect(first.token).not.toBe(second.token);
  });

  it("and the signing key survive a restart; open to others they are refused with what to do", async () => {
    const first = await options();
    const again = await options();
    const { token } = await renewAdminToken(first);
    expect(await again.verifier.verify(token)).toMatchObject({ subject: "admin" });
    chmodSync(join(folder, "signing.key"), 0o644);
    await expect(options()).rejects.toThrow("chmod 600");
    chmodSync(first.path, 0o640);
    await expect(readAdminToken(first.path)).rejects.toThrow("mode 0640");
  });

  it("that cannot be written is an error, and the old one stays", async () => {
    const made = await options();
    await renewAdminToken(made);
    await expect(
      renewAdminToken({ ...made, path: join(folder, "none", "admin.token") }),
    ).rejects.toMatchObject({ code: "storage_failed" });
    expect(await readAdminToken(join(folder, "missing"))).toBeUndefined();
  });
});
