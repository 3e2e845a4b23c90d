/** A typed client of a node's API, a file a folder of `api/`. Failures are `CaxtonError`. */
import { AgentsClient } from "./agents.ts";
import { ClusterClient } from "./cluster.ts";
import { EventsClient } from "./events.ts";
import { KvClient } from "./kv.ts";
import { LocksClient } from "./locks.ts";
import { MessagesClient } from "./messages.ts";
import { OperationsClient } from "./operations.ts";
import { SecurityClient } from "./security.ts";
import { SystemClient } from "./system.ts";
import { TokensClient } from "./tokens.ts";
import { type ClientOptions, Transport } from "./transport.ts";

export interface Client {
  /** Without a slash at its end. */
  readonly url: string;
  readonly cluster: ClusterClient;
  readonly agents: AgentsClient;
  readonly messages: MessagesClient;
  readonly kv: KvClient;
  readonly locks: LocksClient;
  readonly events: EventsClient;
  readonly operations: OperationsClient;
  readonly security: SecurityClient;
  readonly tokens: TokensClient;
  readonly system: SystemClient;
}

/** Throws `CaxtonError("invalid_argument")` for a URL that is none. Nothing is sent yet. */
export function createClient(options: ClientOptions): Client {
  const transport = new Transport(options);
  return {
    url: transport.url,
    cluster: new ClusterClient(transport),
    agents: new AgentsClient(transport),
    messages: new MessagesClient(transport),
    kv: new KvClient(transport),
    locks: new LocksClient(transport),
    events: new EventsClient(transport),
    operations: new OperationsClient(transport),
    security: new SecurityClient(transport),
    tokens: new TokensClient(transport),
    system: new SystemClient(transport),
  };
}
