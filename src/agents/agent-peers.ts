/** This node's answers to its peers about its agents. Hostile bodies are refused and change nothing. */
import { CaxtonError, reasonOf } from "../base/errors.ts";
import { type AgentName, type NodeId, quote } from "../base/ids.ts";
import type { Peers } from "../cluster/peers/peers.ts";
import type { Clock } from "../ports/clock.ts";
import type { Store } from "../store/store.ts";
import { agentJournalLimit_bytes } from "../wire/agent-journal.ts";
import { readAgentName } from "../wire/control-assignments.ts";
import { Reader, WireError } from "../wire/cursor.ts";
import {
  agentMethods,
  jsonBody,
  logsRequest,
  migrateRequest,
  nameRequest,
  parseBody,
} from "./agent-requests.ts";
import type { AssignmentTable } from "./assignment-table.ts";
import type { HandOver } from "./hand-over.ts";
import type { LocalAgents } from "./local-agents.ts";
import type { Reconciler } from "./reconciler.ts";

/** An agent that was admitted is on its way, until the cluster decides about it, for so long at most. */
const onItsWay_ms = 10_000;

export interface AgentPeersOptions {
  readonly self: NodeId;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly local: LocalAgents;
  readonly table: AssignmentTable;
  readonly reconciler: Reconciler;
  readonly handOver: HandOver;
  readonly store: Pick<Store, "putIncoming">;
}

export class AgentPeers {
  readonly #options: AgentPeersOptions;
  /** Agents that another node asked about, with the epoch that they had then. */
  readonly #admitted = new Map<AgentName, { readonly epoch: number; readonly at_ms: number }>();
  #gives = false;
  #closed = false;

  /** Answers from now on. */
  constructor(options: AgentPeersOptions) {
    this.#options = options;
    const { local, table, reconciler, handOver } = options;
    const done = jsonBody({});
    this.#handle(agentMethods.settle, async (body) => {
      const { name } = parseBody(nameRequest, body);
      await table.refresh("linearizable");
      await reconciler.settle(name);
      return done;
    });
    this.#handle(agentMethods.migrate, async (body) => {
      const { name, to, cause } = parseBody(migrateRequest, body);
      await handOver.move(name, to, cause);
      return done;
    });
    this.#handle(agentMethods.admit, (body) => {
      this.#admit(parseBody(nameRequest, body).name);
      return Promise.resolve(done);
    });
    this.#handle(agentMethods.incoming, async (body) => {
      await this.#incoming(body);
      return done;
    });
    this.#handle(agentMethods.resume, async (body) => {
      await local.resume(parseBody(nameRequest, body).name);
      return done;
    });
    this.#handle(agentMethods.detail, async (body) =>
      jsonBody(await reconciler.detail(parseBody(nameRequest, body).name)),
    );
    this.#handle(agentMethods.kept, async (body) =>
      jsonBody({ kept: await local.kept(parseBody(nameRequest, body).name) }),
    );
    this.#handle(agentMethods.logs, async (body) => {
      const { name, limit } = parseBody(logsRequest, body);
      return jsonBody({ lines: local.logs(name, limit) });
    });
  }

  /** While this node gives its agents away it takes none: those would have to go on at once, or stay behind. */
  set gives(gives: boolean) {
    this.#gives = gives;
  }

  /** Whether an agent that was admitted before may be assigned to this node yet. */
  get expects(): boolean {
    this.#forgetDecided();
    return this.#admitted.size > 0;
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

  #admit(name: AgentName): void {
    const { self, table, clock } = this.#options;
    if (this.#gives)
      throw new CaxtonError(
        "no_capacity",
        `Node ${quote(self)} takes no agents: it is leaving, or isolated, and gives away those that it has`,
      );
    this.#forgetDecided();
    this.#admitted.set(name, { epoch: table.get(name)?.epoch ?? 0, at_ms: clock.now_ms() });
  }

  #forgetDecided(): void {
    const { table, clock } = this.#options;
    for (const [name, { epoch, at_ms }] of this.#admitted)
      if ((table.get(name)?.epoch ?? 0) !== epoch || clock.now_ms() - at_ms > onItsWay_ms)
        this.#admitted.delete(name);
  }

  async #incoming(body: Uint8Array): Promise<void> {
    try {
      const reader = new Reader(body);
      const name = readAgentName(reader);
      const transfer = reader.u64();
      const journal = reader.blob(agentJournalLimit_bytes).slice();
      reader.finish();
      await this.#options.store.putIncoming(name, transfer, journal);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      throw new CaxtonError("invalid_body", `Request of a peer refused: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }
}
