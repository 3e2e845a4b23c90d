/**
 * The node's HTTP side: tokens, the API's listener, the metrics' listener, and the small files by
 * which the CLI of this machine finds them.
 */
import { rmSync } from "node:fs";
import { createApi } from "../api/app.ts";
import { agentDefaults } from "../api/agents/deploy-options.ts";
import type { RequestObserver } from "../api/http/gate.ts";
import type { NodeServices } from "../api/services.ts";
import { reasonOf } from "../base/errors.ts";
import type { Config } from "../config/keys.ts";
import { startHttpServer, type HttpServer, type ServerTls } from "../platform/bun/http-server.ts";
import { systemClock } from "../platform/node/clock.ts";
import { systemEntropy } from "../platform/node/entropy.ts";
import { replaceFile } from "../platform/node/replace-file.ts";
import type { Timer } from "../ports/clock.ts";
import { formatAddress } from "../ports/datagrams.ts";
import { renewAdminToken } from "../security/admin-token.ts";
import { issuerName, TokenIssuer } from "../security/issuer.ts";
import type { ClusterKeys } from "../security/jwks.ts";
import { hashTextNative } from "../security/tokens-hash-native.ts";
import { TokenVerifier } from "../security/tokens.ts";
import { isLoopback } from "./joining/advertise-address.ts";
import { ApiCertificate } from "./identity/api-certificate.ts";
import type { Perform } from "./partition/replay-round.ts";
import type { Foundation } from "./foundation.ts";

/** A failed renewal of the admin token is tried again after this. */
const renewalRetry_ms = 60_000;
/** Timers beyond this overflow; a renewal further off looks again then. */
const longestTimer_ms = 24 * 3_600_000;

export interface Front {
  readonly api: HttpServer;
  /** The API in this process, for writes that waited. */
  readonly perform: Perform;
  readonly metrics: HttpServer;
  /** Reads the operator's certificate again. */
  reload(): void;
  stop(deadline_ms: number): Promise<void>;
}

export interface FrontOptions {
  readonly config: Config;
  readonly foundation: Pick<Foundation, "directory" | "cluster" | "authority" | "signingKey">;
  readonly services: NodeServices;
  readonly keys: ClusterKeys;
  readonly observer: RequestObserver;
  readonly fetchMissingKeys: () => Promise<void>;
  readonly metrics: (request: Request) => Response | Promise<Response>;
  readonly failed: (what: string, reason: string) => void;
}

export async function startFront(options: FrontOptions): Promise<Front> {
  const { config, foundation } = options;
  const { verifier, renewal } = await startTokens(options);
  const certificate = new ApiCertificate(config, foundation.authority);
  const tls = certificate.current();
  const stopping = new AbortController();
  const { api, metrics, perform } = await startListeners(options, verifier, {
    tls,
    stopping: stopping.signal,
  });
  const renewCertificate = (): void => {
    try {
      const next = certificate.current();
      if (next === undefined || tls === undefined) return;
      api.setTls(next);
      if (metrics.url.startsWith("https:")) metrics.setTls(next);
    } catch (error) {
      options.failed("renew the API's certificate", reasonOf(error));
    }
  };
  certificate.watch(renewCertificate);
  const { directory, authority } = foundation;
  replaceFile(directory.file("ca.pem"), authority.pem);
  replaceFile(directory.file("api.address"), `${urlOnThisMachine(api)}\n`);
  return {
    api,
    metrics,
    perform,
    reload: renewCertificate,
    stop: async (deadline_ms) => {
      renewal.stop();
      certificate.stop();
      rmSync(directory.file("api.address"), { force: true });
      stopping.abort();
      await Promise.all([api.stop(deadline_ms), metrics.stop(0)]);
      verifier.close();
    },
  };
}

async function startTokens(
  options: FrontOptions,
): Promise<{ readonly verifier: TokenVerifier; readonly renewal: AdminTokenRenewal }> {
  const { foundation, keys, fetchMissingKeys } = options;
  const issuer = issuerName(foundation.cluster);
  const verifier = new TokenVerifier({
    issuer,
    keys,
    clock: systemClock,
    hash: hashTextNative,
    fetchMissing: () => fetchMissingKeys(),
  });
  const key = foundation.signingKey;
  const tokens = new TokenIssuer({ key, issuer, clock: systemClock, entropy: systemEntropy });
  const renewal = new AdminTokenRenewal(options, tokens, verifier);
  await renewal.renew();
  return { verifier, renewal };
}

async function startListeners(
  options: FrontOptions,
  verifier: TokenVerifier,
  { tls, stopping }: { readonly tls: ServerTls | undefined; readonly stopping: AbortSignal },
): Promise<Pick<Front, "api" | "metrics" | "perform">> {
  const { config, services, keys, observer } = options;
  const app = createApi(services, {
    verifier,
    keys,
    clock: systemClock,
    entropy: systemEntropy,
    https: tls !== undefined,
    observer,
    bodies: { collect: () => Bun.gc(true), stopping },
    requestTimeout_ms: config.transport.request_timeout,
    agentDefaults: {
      ...agentDefaults,
      memory_bytes: config.agents.max_memory,
      fuel: config.agents.default_fuel,
      inbox_messages: config.messaging.inbox_limit,
    },
  });
  const api = startHttpServer({ address: config.node.api_addr, tls, fetch: (request) => app.fetch(request) });
  try {
    const address = config.observability.metrics_addr;
    const metrics = startHttpServer({
      address,
      tls: isLoopback(address.host) ? undefined : tls,
      fetch: options.metrics,
    });
    const perform: Perform = async (request, environment) => await app.fetch(request, environment);
    return { api, metrics, perform };
  } catch (error) {
    await api.stop(0);
    throw error;
  }
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

/** A wildcard is no address to connect to: the CLI of this machine takes loopback. */
function urlOnThisMachine({ url, local }: HttpServer): string {
  if (local.host !== "0.0.0.0" && local.host !== "::") return url;
  const loopback = { host: local.host === "::" ? "::1" : "127.0.0.1", port: local.port };
  return `${new URL(url).protocol}//${formatAddress(loopback)}`;
}
