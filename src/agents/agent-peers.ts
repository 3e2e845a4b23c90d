/** This node's answers to its peers about its agents. Hostile bodies are refused and change nothing. */
import { CaxtonError } from "../base/errors.ts";
import type { NodeId } from "../base/ids.ts";
import type { Peers } from "../cluster/peers.ts";
import type { AgentSpec } from "../wire/agent-spec.ts";
import {
  agentMethods,
  jsonBody,
  logsRequest,
  nameRequest,
  parseBody,
  startRequest,
} from "./agent-requests.ts";
import type { LocalAgents } from "./local-agents.ts";
import type { ModuleShelf } from "./module-shelf.ts";

export interface AgentPeersOptions {
  readonly peers: Peers;
  readonly local: LocalAgents;
  readonly modules: ModuleShelf;
}

export class AgentPeers {
  readonly #options: AgentPeersOptions;
  #closed = false;

  /** Answers from now on. */
  constructor(options: AgentPeersOptions) {
    this.#options = options;
    const { local } = options;
    const done = jsonBody({});
    this.#handle(agentMethods.start, async (body, from) => {
      await this.start(parseBody(startRequest, body).spec, from);
      return done;
    });
    this.#handle(agentMethods.stop, async (body) => {
      await local.remove(parseBody(nameRequest, body).name);
      return done;
    });
    this.#handle(agentMethods.suspend, async (body) => {
      await local.suspend(parseBody(nameRequest, body).name);
      return done;
    });
    this.#handle(agentMethods.resume, async (body) => {
      await local.resume(parseBody(nameRequest, body).name);
      return done;
    });
    this.#handle(agentMethods.detail, async (body) =>
      jsonBody(await local.detail(parseBody(nameRequest, body).name)),
    );
    this.#handle(agentMethods.logs, async (body) => {
      const { name, limit } = parseBody(logsRequest, body);
      return jsonBody({ lines: local.logs(name, limit) });
    });
  }

  /** From now on every request is refused: the node is stopping. */
  close(): void {
    this.#closed = true;
  }

  #handle(method: string, answer: (body: Uint8Array, from: NodeId) => Promise<Uint8Array>): void {
    this.#options.peers.handle(method, async (body, { from }) => {
      if (this.#closed) throw new CaxtonError("unavailable", "The node is stopping");
      return await answer(body, from);
    });
  }

  /** Fetches the module when it is not here, then starts the agent. */
  async start(spec: AgentSpec, from: NodeId): Promise<void> {
    const { local, modules } = this.#options;
    const bytes = await modules.fetch(spec.module, from);
    await modules.holding(spec.module, bytes, () => local.start(spec));
  }
}
