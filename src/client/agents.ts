/** `/api/v1/agents…`, a method a route. */
import type { AgentAnswer } from "../api/agents/agent.ts";
import type { AgentDone, AgentsAnswer, LogsAnswer, ShownAgent } from "../api/agents/agents.ts";
import type { DeployAnswer } from "../api/agents/deploy.ts";
import type { DeployQuery } from "../api/agents/deploy-options.ts";
import { allPages, pageLimit } from "./pages.ts";
import type { Transport } from "./transport.ts";

/** Uploading, validating and placing a module takes longer than a look. */
const deployPatience_ms = 90_000;
/** All that an agent has goes over the network. */
const migratePatience_ms = 150_000;

export class AgentsClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `options` are texts as a user writes them (`memory: "64MiB"`); left out, the cluster's defaults hold. */
  deploy(wasm: Uint8Array, options: DeployQuery): Promise<DeployAnswer> {
    const body = { bytes: wasm, type: "application/wasm" };
    const query = { ...options };
    return this.#transport.json({
      method: "POST",
      path: "/api/v1/agents",
      query,
      body,
      patience_ms: deployPatience_ms,
    });
  }

  /** Every agent, by name, without details. */
  list(filter: { readonly node?: string; readonly status?: string } = {}): Promise<AgentAnswer[]> {
    return allPages(
      (cursor) => {
        const query = { ...filter, limit: pageLimit, cursor };
        return this.#transport.json<AgentsAnswer>({ method: "GET", path: "/api/v1/agents", query });
      },
      (page) => page.agents,
    );
  }

  show(name: string): Promise<ShownAgent> {
    return this.#transport.json({ method: "GET", path: pathOf(name) });
  }

  remove(name: string): Promise<AgentDone> {
    return this.#transport.json({ method: "DELETE", path: pathOf(name) });
  }

  suspend(name: string): Promise<AgentDone> {
    return this.#transport.json({ method: "POST", path: `${pathOf(name)}/suspend` });
  }

  resume(name: string): Promise<AgentDone> {
    return this.#transport.json({ method: "POST", path: `${pathOf(name)}/resume` });
  }

  /** To that node, with all that it has; resolves when it runs there. */
  migrate(name: string, to: string): Promise<AgentAnswer> {
    const path = `${pathOf(name)}/migrate`;
    return this.#transport.json({ method: "POST", path, json: { to }, patience_ms: migratePatience_ms });
  }

  /** At most `limit` (1,000) lines, newest last. */
  logs(name: string, limit = 100): Promise<LogsAnswer> {
    return this.#transport.json({ method: "GET", path: `${pathOf(name)}/logs`, query: { limit } });
  }
}

function pathOf(name: string): string {
  return `/api/v1/agents/${encodeURIComponent(name)}`;
}
