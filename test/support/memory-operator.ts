/** What operators do, held in memory: what was asked for is written down, and answered as a node would. */
import type {
  Analysis,
  Isolation,
  NodeAnswer,
  NodeResources,
  OperatorService,
  Rebuilt,
  Shedding,
} from "../../src/api/operator-service.ts";
import { CaxtonError } from "../../src/base/errors.ts";
import { formatHostPort, type HostPort } from "../../src/base/host-port.ts";
import type { NodeId } from "../../src/base/ids.ts";

export class MemoryOperator implements OperatorService {
  readonly isolated = new Set<string>();
  /** In the order in which it was done. */
  readonly done: string[] = [];
  shedding: Shedding = { percentage: 0, refused: 0 };
  suggestions: Analysis["suggestions"] = [];
  /** Agents that do not get away. */
  stuck = 0;
  /** Nodes that do not answer an order for all. */
  readonly silent = new Set<string>();
  used: readonly NodeResources[] = [];

  constructor(private readonly nodes: () => readonly NodeId[]) {}

  addNode(address: HostPort): Promise<{ readonly node: NodeId; readonly address: string }> {
    this.done.push(`add ${formatHostPort(address)}`);
    if (address.host === "nobody") throw new CaxtonError("unreachable", 'Cannot find host "nobody"');
    return Promise.resolve({ node: "node-4" as NodeId, address: formatHostPort(address) });
  }

  isolate(node: NodeId, drain_timeout_ms: number): Promise<Isolation> {
    this.#demand(node);
    this.done.push(`isolate ${node} ${drain_timeout_ms}`);
    this.isolated.add(node);
    return Promise.resolve({ node, moved: 3, stayed: this.stuck, notReached: null });
  }

  rejoin(node: NodeId): Promise<void> {
    this.#demand(node);
    if (!this.isolated.delete(node)) throw new CaxtonError("conflict", `Node "${node}" is not isolated`);
    return Promise.resolve();
  }

  rebuild(node: NodeId): Promise<Rebuilt> {
    this.#demand(node);
    this.done.push(`rebuild ${node}`);
    return Promise.resolve({ node, index: 12, took_ms: 420 });
  }

  stopAll(): Promise<readonly NodeAnswer[]> {
    return Promise.resolve(this.#told("stop"));
  }

  startAll(): Promise<readonly NodeAnswer[]> {
    return Promise.resolve(this.#told("start"));
  }

  shedLoad(percentage: number): Promise<Shedding> {
    this.shedding = { percentage, refused: 0 };
    return Promise.resolve(this.shedding);
  }

  analyze(): Promise<Analysis> {
    return Promise.resolve({ suggestions: this.suggestions, looked: 9, missing: ["Slow convergence"] });
  }

  resources(): Promise<readonly NodeResources[]> {
    return Promise.resolve(this.used);
  }

  #told(order: string): readonly NodeAnswer[] {
    this.done.push(order);
    return this.nodes().map((node) => {
      const silent = this.silent.has(node);
      return { node, ok: !silent, detail: silent ? "it is not reached" : "" };
    });
  }

  #demand(node: NodeId): void {
    if (!this.nodes().includes(node)) throw new CaxtonError("node_not_found", `No node "${node}"`);
  }
}
