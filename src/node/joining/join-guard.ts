/**
 * Until a node is in a cluster it only answers questions: what it took before would belong to nobody, or
 * to a cluster that never lets it in. Each write is refused with what the node waits for.
 */
import type { NodeServices } from "../../api/services.ts";
import { CaxtonError } from "../../base/errors.ts";

/** `waitsFor` says why this node is in no cluster yet: null when it is in one. */
export function refuseWritesOutside(services: NodeServices, waitsFor: () => string | null): NodeServices {
  const { node, agents, messages, deadLetters, cluster, balancing, kv, locks, security, nodes, tokens } =
    services;
  const check = (): void => {
    const why = waitsFor();
    if (why === null) return;
    throw new CaxtonError(
      "unavailable",
      `Node "${node}" is in no cluster yet: it ${why}; retry when it is in`,
    );
  };
  return {
    ...services,
    agents: guarded(agents, ["deploy", "remove", "suspend", "resume", "migrate"], check),
    messages: guarded(messages, ["send"], check),
    deadLetters: guarded(deadLetters, ["replay", "purge"], check),
    // Leaving is what an operator may want of a node that nobody lets in.
    cluster: guarded(cluster, ["remove", "setBalancing", "transferLeadership"], check),
    balancing: guarded(balancing, ["rebalance"], check),
    kv: guarded(kv, ["put", "delete"], check),
    locks: guarded(locks, ["acquire", "release"], check),
    nodes: guarded(nodes, ["register", "heartbeat", "unregister"], check),
    // A ring that was rotated out here would replace the cluster's at the first meeting.
    security: guarded(security, ["rotateGossipKey"], check),
    tokens: guarded(tokens, ["issue"], check),
  };
}

/** The same service, whose `writes` first call `check`. Made once, since every request goes through it. */
function guarded<S extends object>(service: S, writes: readonly (keyof S)[], check: () => void): S {
  const methods: Record<PropertyKey, unknown> = {};
  for (const name of methodNames(service)) {
    const method = (service[name as keyof S] as (...args: readonly unknown[]) => unknown).bind(service);
    const isWrite = writes.includes(name as keyof S);
    methods[name] = isWrite ? (...args: readonly unknown[]): unknown => (check(), method(...args)) : method;
  }
  return methods as S;
}

/** Its own and its classes' methods; a service has nothing else. */
function methodNames(service: object): ReadonlySet<PropertyKey> {
  const names = new Set<PropertyKey>();
  for (let level = service; level !== Object.prototype; level = Object.getPrototypeOf(level) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value === "function" && name !== "constructor") names.add(name);
    }
  }
  return names;
}
