/**
 * The node's HTTP side: tokens, the API's listener, the metrics' listener, and the small files by
 * which the CLI of this machine finds them.
 */
import { readFileSync, rmSync } from "node:fs";
import { createApi } from "../api/app.ts";
import { agentDefaults } from "../api/agents/deploy-options.ts";
import type { RequestObserver } from "../api/http/gate.ts";
import type { NodeServices } from "../api/services.ts";
import { CaxtonError, reasonOf } from "../base/errors.ts";
import type { Config } from "../config/keys.ts";
import { startHttpServer, type HttpServer } from "../platform/bun/http-server.ts";
import { systemClock } from "../platform/node/clock.ts";
import { systemEntropy } from "../platform/node/entropy.ts";
import { replaceFile } from "../platform/node/replace-file.ts";
import type { Timer } from "../ports/clock.ts";
import { formatAddress } from "../ports/datagrams.ts";
import { renewAdminToken } from "../security/admin-token.ts";
import { issueServerCertificate } from "../security/certificates.ts";
import { issuerName, TokenIssuer } from "../security/issuer.ts";
import type { ClusterKeys } from "../security/jwks.ts";
import { hashTextNative } from "../security/tokens-hash-native.ts";
import { TokenVerifier } from "../security/tokens.ts";
import { isLoopback, namesOf } from "./advertise-address.ts";
import type { Foundation } from "./foundation.ts";

/** A failed renewal of the admin token is tried again after this. */
const renewalRetry_ms = 60_000;
/** Timers beyond this overflow; a renewal further off looks again then. */
const longestTimer_ms = 24 * 3_600_000;

export interface Front {
  readonly api: HttpServer;
  readonly metrics: HttpServer;
  stop(deadline_ms: number): Promise<void>;
}

export interface FrontOptions {
  readonly config: Config;
  readonly foundation: Foundation;
  readonly services: NodeServices;
  readonly keys: ClusterKeys;
  readonly observer: RequestObserver;
  readonly fetchMissingKeys: () => Promise<void>;
  readonly metrics: (request: Request) => Response | Promise<Response>;
  readonly failed: (what: string, reason: string) => void;
}

export async function startFront(options: FrontOptions): Promise<Front> {
  const { config, foundation, services, keys } = options;
  const issuer = issuerName(foundation.cluster);
  const verifier = new TokenVerifier({
    issuer,
    keys,
    clock: systemClock,
    hash: hashTextNative,
    fetchMissing: () => options.fetchMissingKeys(),
  });
  const tokens = new TokenIssuer({
    key: foundation.signingKey,
    issuer,
    clock: systemClock,
    entropy: systemEntropy,
  });
  const renewal = new AdminTokenRenewal(options, tokens, verifier);
  await renewal.renew();
  const tls = apiTls(config, foundation);
  const app = createApi(services, {
    verifier,
    keys,
    clock: systemClock,
    entropy: systemEntropy,
    https: tls !== undefined,
    observer: options.observer,
    requestTimeout_ms: config.transport.request_timeout,
    agentDefaults: {
      ...agentDefaults,
      memory_bytes: config.agents.max_memory,
      fuel: config.agents.default_fuel,
      inbox_messages: config.messaging.inbox_limit,
    },
  });
  const api = startHttpServer({ address: config.node.api_addr, tls, fetch: (request) => app.fetch(request) });
  let metrics: HttpServer;
  try {
    metrics = startHttpServer({
      address: config.observability.metrics_addr,
      tls: isLoopback(config.observability.metrics_addr.host) ? undefined : tls,
      fetch: options.metrics,
    });
  } catch (error) {
    await api.stop(0);
    throw error;
  }
  const { directory, authority } = foundation;
  replaceFile(directory.file("ca.pem"), authority.pem);
  replaceFile(directory.file("api.address"), `${urlOnThisMachine(api)}\n`);
  return {
    api,
    metrics,
    stop: async (deadline_ms) => {
      renewal.stop();
      rmSync(directory.file("api.address"), { force: true });
      await Promise.all([api.stop(deadline_ms), metrics.stop(0)]);
      verifier.close();
    },
  };
}

/** Keeps `admin.token` fresh for as long as the node runs. */
class AdminTokenRenewal {
  #timer: Timer | undefined;

  constructor(
    readonly options: FrontOptions,
    readonly issuer: TokenIssuer,
    readonly verifier: TokenVerifier,
  ) {}

  async renew(): Promise<void> {
    const { foundation } = this.options;
    const { renewAt_ms } = await renewAdminToken({
      path: foundation.directory.file("admin.token"),
      issuer: this.issuer,
      verifier: this.verifier,
      clock: systemClock,
    });
    this.#schedule(renewAt_ms - systemClock.wall_ms());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #schedule(delay_ms: number): void {
    this.#timer = systemClock.after(Math.min(longestTimer_ms, Math.max(1_000, delay_ms)), () => {
      this.renew().catch((error: unknown) => {
        this.options.failed("renew the admin token", reasonOf(error));
        this.#schedule(renewalRetry_ms);
      });
    });
  }
}

/** On an address that others reach: the operator's certificate, else one from the cluster's CA; plain only on request. */
function apiTls(config: Config, foundation: Foundation): { cert: string; key: string } | undefined {
  const { api_addr } = config.node;
  const { tls, insecure } = config.security.api;
  if (tls.cert !== null && tls.key !== null) return { cert: readPem(tls.cert), key: readPem(tls.key) };
  if (isLoopback(api_addr.host) || insecure) return undefined;
  const { certificate, key } = issueServerCertificate(foundation.authority, namesOf(api_addr.host), {
    clock: systemClock,
    entropy: systemEntropy,
  });
  return { cert: certificate, key };
}

/** A wildcard is no address to connect to: the CLI of this machine takes loopback. */
function urlOnThisMachine({ url, local }: HttpServer): string {
  if (local.host !== "0.0.0.0" && local.host !== "::") return url;
  const loopback = { host: local.host === "::" ? "::1" : "127.0.0.1", port: local.port };
  return `${new URL(url).protocol}//${formatAddress(loopback)}`;
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
