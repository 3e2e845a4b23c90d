/** The HTTP listener of a long-lived node, on Bun's own server: any `fetch` handler, plain or TLS. */
import { setTimeout as sleep } from "node:timers/promises";
import { CaxtonError } from "../../base/errors.ts";
import type { Address } from "../../ports/datagrams.ts";
import { formatAddress } from "../../ports/datagrams.ts";
import { listenError } from "../node/listen-error.ts";

/**
 * Handlers bound bodies per route while they stream in, and answer in words. Bun's own bound would answer
 * with nothing; of a body that no handler reads it keeps nothing (measured: 300 MB at a steady 29 MB).
 */
const bodyLimit_bytes = Number.MAX_SAFE_INTEGER;
/** Silence after which a connection is closed; event streams send heartbeats more often. */
const idleTimeout_s = 60;
/** Between looks whether requests are still under way, while stopping. */
const stopPoll_ms = 10;

/** Between tries to listen on a port that was this server's a moment ago. */
const listenAgain_ms = 100;

/** PEM. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
}

export interface HttpServerOptions {
  readonly address: Address;
  /** Plain HTTP without. */
  readonly tls: ServerTls | undefined;
  readonly fetch: (request: Request) => Response | Promise<Response>;
}

export interface HttpServer {
  readonly url: string;
  readonly local: Address;
  /** For new connections; those that are open finish what they do on the old certificate. */
  setTls(tls: ServerTls): void;
  /**
   * No new connections; resolves when the requests under way ended, at the latest after `deadline_ms`. A
   * connection whose request has not come in whole headers is idle, and closed.
   */
  stop(deadline_ms: number): Promise<void>;
}

/** Throws `CaxtonError("port_in_use")` or `("invalid_argument")` when it cannot listen there. */
export function startHttpServer(options: HttpServerOptions): HttpServer {
  const { address, tls, fetch } = options;
  let server = listen(address, tls, fetch);
  let again: ReturnType<typeof setTimeout> | undefined;
  const local = { host: address.host, port: server.port ?? address.port };
  return {
    local,
    url: `${tls === undefined ? "http" : "https"}://${formatAddress(local)}`,
    setTls: (next) => {
      clearTimeout(again);
      // Bun keeps the certificate of a server for life, so a new one takes its place on the port.
      void server.stop(false);
      const listenAgain = (): void => {
        try {
          server = listen(local, next, fetch);
        } catch (error) {
          if (!(error instanceof CaxtonError) || error.code !== "port_in_use") throw error;
          // Somebody's connection has taken the port as its own end meanwhile: it lets go of it again.
          again = setTimeout(listenAgain, listenAgain_ms);
        }
      };
      listenAgain();
    },
    stop: async (deadline_ms) => {
      clearTimeout(again);
      void server.stop(false);
      const end_ms = performance.now() + deadline_ms;
      // `stop(false)` would wait for half-sent headers, too.
      while (server.pendingRequests > 0 && performance.now() < end_ms) await sleep(stopPoll_ms);
      await server.stop(true);
    },
  };
}

function listen(
  address: Address,
  tls: ServerTls | undefined,
  fetch: HttpServerOptions["fetch"],
): ReturnType<typeof Bun.serve> {
  try {
    return Bun.serve({
      hostname: address.host,
      port: address.port,
      ...(tls === undefined ? {} : { tls }),
      idleTimeout: idleTimeout_s,
      maxRequestBodySize: bodyLimit_bytes,
      development: false,
      // Without development mode Bun shares the port with any other process that does the same.
      reusePort: false,
      fetch: (request) => fetch(withAuthority(request, address)),
    });
  } catch (error) {
    throw listenError(address, "TCP", error);
  }
}

/**
 * Without a Host header, as HTTP/1.0 probes of load balancers come, or with one that is no host, Bun's URL is the path
 * alone. Everything behind counts on a whole one.
 */
function withAuthority(request: Request, address: Address): Request {
  if (!request.url.startsWith("/")) return request;
  return new Request(`http://${formatAddress(address)}${request.url}`, request);
}
