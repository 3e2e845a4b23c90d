/**
 * The administrator's token of this machine: `<data-dir>/admin.token`, mode 0600, which the CLI finds
 * by itself. Kept while more than half of its life is left and this cluster still accepts it.
 */
import type { Clock } from "../ports/clock.ts";
import { decodeUtf8, encodeUtf8 } from "../wire/cursor.ts";
import type { TokenIssuer } from "./issuer.ts";
import { readSecretFile, writeSecretFile } from "./tokens-file.ts";
import type { TokenVerifier } from "./tokens.ts";

export const adminSubject = "admin";
export const adminLifetime_ms = 30 * 24 * 3_600_000;

export interface AdminTokenOptions {
  readonly path: string;
  readonly issuer: TokenIssuer;
  readonly verifier: TokenVerifier;
  readonly clock: Clock;
  readonly lifetime_ms?: number;
}

export interface AdminToken {
  readonly token: string;
  readonly renewed: boolean;
  /** Unix ms; call `renewAdminToken` again then. */
  readonly renewAt_ms: number;
}

/** Call at start and again at `renewAt_ms`. Throws `CaxtonError` when the file cannot be read or written. */
export async function renewAdminToken(options: AdminTokenOptions): Promise<AdminToken> {
  const { path, issuer, verifier, clock } = options;
  const lifetime_ms = options.lifetime_ms ?? adminLifetime_ms;
  const kept = await readAdminToken(path);
  if (kept !== undefined) {
    const expires_ms = await acceptedUntil_ms(verifier, kept);
    const renewAt_ms = expires_ms - lifetime_ms / 2;
    if (renewAt_ms > clock.wall_ms()) return { token: kept, renewed: false, renewAt_ms };
  }
  const token = await issuer.issue({ subject: adminSubject, roles: ["admin"], lifetime_ms });
  await writeSecretFile(path, encodeUtf8(`${token}\n`));
  return { token, renewed: true, renewAt_ms: clock.wall_ms() + lifetime_ms / 2 };
}

/** What the CLI reads. Undefined when there is none. */
export async function readAdminToken(path: string): Promise<string | undefined> {
  const bytes = await readSecretFile(path);
  return bytes === undefined ? undefined : decodeUtf8(bytes).trim();
}

/** 0 for a token that is damaged, of another cluster, of an old key or expired: it is replaced. */
async function acceptedUntil_ms(verifier: TokenVerifier, token: string): Promise<number> {
  try {
    return (await verifier.verify(token)).expires_s * 1_000;
  } catch {
    return 0;
  }
}
