/** Where the instances of one name are while a plan is made, so that they are lost one by one. Pure. */
import type { AgentName, NodeId } from "../base/ids.ts";

export interface Instance {
  /** The name that it is an instance of; null for an agent that is the only one. */
  readonly group: AgentName | null;
  readonly node: NodeId;
}

export class Siblings {
  readonly #at = new Map<AgentName, Map<NodeId, number>>();

  constructor(instances: Iterable<Instance> = []) {
    for (const { group, node } of instances) this.add(group, node);
  }

  /** Instances of the group on the node. */
  on(group: AgentName | null, node: NodeId): number {
    return group === null ? 0 : (this.#at.get(group)?.get(node) ?? 0);
  }

  add(group: AgentName | null, node: NodeId): void {
    this.#change(group, node, 1);
  }

  moved(group: AgentName | null, from: NodeId, to: NodeId): void {
    this.#change(group, from, -1);
    this.#change(group, to, 1);
  }

  #change(group: AgentName | null, node: NodeId, by: number): void {
    if (group === null) return;
    const nodes = this.#at.get(group) ?? new Map<NodeId, number>();
    this.#at.set(group, nodes.set(node, (nodes.get(node) ?? 0) + by));
  }
}
