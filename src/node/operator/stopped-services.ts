/**
 * The services of a node that is stopped by an operator: it says so, and can be told to start. Everything else is
 * refused, with the way out.
 */
import type { PartitionService } from "../../api/partition-service.ts";
import type { ClusterStatus, HealthService, NodeServices } from "../../api/services.ts";
import type { NodeAnswer, OperatorService } from "../../api/operator-service.ts";
import { CaxtonError } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import { caxtonVersion } from "../../base/version.ts";

export const stoppedWord = "STOPPED";

export interface StoppedParts {
  readonly node: NodeId;
  readonly cluster: string;
  readonly uuid: string | null;
  readonly startedAt_ms: number;
  /** Nodes that were there when it stopped, this one left out. */
  readonly others: number;
  readonly startAll: () => Promise<readonly NodeAnswer[]>;
  /** Ends the process. */
  readonly leave: () => void;
}

export function stoppedServices(parts: StoppedParts): NodeServices {
  const { node, startAll, startedAt_ms, leave } = parts;
  const refuse = (): never => {
    throw new CaxtonError(
      "unavailable",
      `Node "${node}" is stopped by an operator, its databases are closed. To start all: caxton cluster start`,
    );
  };
  const only = <S extends object>(known: Partial<S>): S =>
    new Proxy(known, {
      get: (target, name) => (Reflect.has(target, name) ? Reflect.get(target, name) : refuse),
    }) as S;
  const live = { ok: true, checks: [{ name: "process", ok: true, detail: "stopped by an operator" }] };
  const health: HealthService = {
    live: () => Promise.resolve(live),
    ready: () =>
      Promise.resolve({
        ok: false,
        checks: [{ name: "serving", ok: false, detail: "stopped by an operator: caxton cluster start" }],
      }),
  };
  return {
    node,
    version: caxtonVersion,
    health,
    partition: only<PartitionService>({
      minority: false,
      action: null,
      servesReads: true,
      holdsWrites: false,
    }),
    cluster: only<NodeServices["cluster"]>({
      startedAt_ms: () => startedAt_ms,
      status: () => Promise.resolve(statusOf(parts)),
      leave: (asked) => Promise.resolve(asked === node ? leave() : refuse()),
    }),
    operator: only<OperatorService>({
      isolated: new Set(),
      startAll,
      stopAll: () => Promise.resolve([{ node, ok: true, detail: "it is stopped already" }]),
    }),
    agents: only({}),
    messages: only({}),
    deadLetters: only({}),
    kv: only({}),
    locks: only({}),
    events: only({}),
    security: only({}),
    balancing: only({}),
    nodes: only({}),
    tokens: only({}),
  };
}

function statusOf({ node, cluster, uuid, others }: StoppedParts): ClusterStatus {
  return {
    cluster,
    uuid,
    node,
    status: `${stoppedWord} (by an operator: caxton cluster start)`,
    operations: "NONE",
    nodes_active: 0,
    nodes_total: others + 1,
    queued_writes: 0,
    leader: null,
    term: 0,
    voters: [],
    lease: null,
    unheard: [],
    isolated: [],
    shed_percentage: 0,
  };
}
