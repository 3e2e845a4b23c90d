/** The client of the node that a command talks to. */
import { resolve } from "node:path";
import { CaxtonError } from "../base/errors.ts";
import { createClient } from "../client/client.ts";
import type { Client } from "../client/client.ts";
import type { ClientOptions } from "../client/transport.ts";
import type { Target } from "./target.ts";

export function connect(
  { api, token, ca, dataDir }: Target,
  requestTimeout_ms: number,
  fetch: ClientOptions["fetch"],
): Client {
  if (token === null) {
    throw new CaxtonError(
      "unauthenticated",
      `No token for ${api}: there is no admin.token of a local node in ${resolve(dataDir)}; ` +
        "start one (caxton server start), or give its --data-dir, or a --token",
    );
  }
  return createClient({
    url: api,
    token,
    requestTimeout_ms,
    ...(ca === undefined ? {} : { ca }),
    ...(fetch === undefined ? {} : { fetch }),
  });
}
