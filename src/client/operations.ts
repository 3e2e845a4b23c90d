/** What operators do to nodes and to the whole cluster: `/api/v1/cluster/…` and `/api/v1/resources`, a method a route. */
import type {
  AddNodeAnswer,
  IsolateAnswer,
  RebuildAnswer,
  RejoinAnswer,
} from "../api/cluster/maintenance.ts";
import type { ShedAnswer, ToldAnswer } from "../api/cluster/stopping.ts";
import type { AnalyzeAnswer, ResourcesAnswer } from "../api/resources/resources.ts";
import { formatDuration } from "../base/durations.ts";
import type { Transport } from "./transport.ts";

const add_ms = 40_000;
const rebuild_ms = 150_000;

export class OperationsClient {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Resolves when it is a member. */
  addNode(address: string): Promise<AddNodeAnswer> {
    return this.#post("add-node", { address }, add_ms);
  }

  /** Resolves when its agents are given away, or the time is over. */
  isolate(node: string, drainTimeout_ms: number): Promise<IsolateAnswer> {
    const body = { node, drain_timeout: formatDuration(drainTimeout_ms) };
    return this.#post("isolate", body, drainTimeout_ms + 30_000);
  }

  rejoin(node: string): Promise<RejoinAnswer> {
    return this.#post("rejoin", { node });
  }

  /** Resolves when it has everything again. */
  rebuild(node: string): Promise<RebuildAnswer> {
    return this.#post("rebuild", { node }, rebuild_ms);
  }

  stopAll(): Promise<ToldAnswer> {
    return this.#post("stop", { all: true });
  }

  startAll(): Promise<ToldAnswer> {
    return this.#transport.json({ method: "POST", path: "/api/v1/cluster/start" });
  }

  shedding(): Promise<ShedAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/shed-load" });
  }

  shedLoad(percentage: number): Promise<ShedAnswer> {
    return this.#post("shed-load", { percentage });
  }

  analyze(): Promise<AnalyzeAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/cluster/analyze" });
  }

  resources(): Promise<ResourcesAnswer> {
    return this.#transport.json({ method: "GET", path: "/api/v1/resources" });
  }

  #post<T>(command: string, json: unknown, patience_ms = 0): Promise<T> {
    return this.#transport.json({ method: "POST", path: `/api/v1/cluster/${command}`, json, patience_ms });
  }
}
