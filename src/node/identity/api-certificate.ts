/**
 * The certificate of the HTTP API on an address that others reach: the operator's own, read again at
 * each reload, or one from the cluster's CA, replaced well before it ends.
 */
import { readFileSync } from "node:fs";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { Config } from "../../config/keys.ts";
import type { ServerTls } from "../../platform/bun/http-server.ts";
import { systemClock } from "../../platform/node/clock.ts";
import { systemEntropy } from "../../platform/node/entropy.ts";
import type { Timer } from "../../ports/clock.ts";
import { issueServerCertificate, type CertificateAuthority } from "../../security/certificates.ts";
import { isLoopback, namesOf } from "../joining/advertise-address.ts";

const renewBefore_ms = 30 * 86_400_000;
const renewalCheck_ms = 3_600_000;

export class ApiCertificate {
  readonly #config: Config;
  readonly #authority: CertificateAuthority;
  #notAfter_ms = Infinity;
  #timer: Timer | undefined;

  constructor(config: Config, authority: CertificateAuthority) {
    this.#config = config;
    this.#authority = authority;
  }

  /** Undefined for plain HTTP: on loopback, or because the operator insists. Throws `invalid_config`. */
  current(): ServerTls | undefined {
    const { api_addr } = this.#config.node;
    const { tls, insecure } = this.#config.security.api;
    if (tls.cert !== null && tls.key !== null) return { cert: readPem(tls.cert), key: readPem(tls.key) };
    if (isLoopback(api_addr.host) || insecure) return undefined;
    const world = { clock: systemClock, entropy: systemEntropy };
    const issued = issueServerCertificate(this.#authority, namesOf(api_addr.host), world);
    this.#notAfter_ms = issued.notAfter_ms;
    return { cert: issued.certificate, key: issued.key };
  }

  /** Calls `renew` when the issued certificate nears its end; nothing to watch with the operator's own. */
  watch(renew: () => void): void {
    this.#timer = systemClock.after(renewalCheck_ms, () => {
      if (this.#notAfter_ms - systemClock.wall_ms() < renewBefore_ms) renew();
      this.watch(renew);
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CaxtonError("invalid_config", `Cannot read ${JSON.stringify(path)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}
