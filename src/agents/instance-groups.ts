/**
 * Agents that run in several instances under one name, as the assignments say: `web` is `web-1`, `web-2`, …. A message
 * to the name goes to one of them, and all of one conversation to the same one, wherever that runs by then.
 */
import { hashText } from "../base/hash-text.ts";
import type { AgentName } from "../base/ids.ts";
import type { AssignmentTable } from "./assignment-table.ts";

export class InstanceGroups {
  readonly #table: Pick<AssignmentTable, "get">;
  readonly #instances = new Map<AgentName, AgentName[]>();
  readonly #groupOf = new Map<AgentName, AgentName>();

  constructor(table: Pick<AssignmentTable, "get" | "all" | "subscribe">) {
    this.#table = table;
    for (const { agent } of table.all()) this.#note(agent);
    table.subscribe((changed) => {
      for (const agent of changed) this.#note(agent);
    });
  }

  /** Names of the instances in their order; none where there is no such group. */
  of(group: AgentName): readonly AgentName[] {
    return this.#instances.get(group) ?? [];
  }

  /**
   * The instance for everything under that key: by rendezvous hashing, so every node finds the same one, and another
   * number of instances moves few keys. Undefined where there is no such group.
   */
  pick(group: AgentName, key: string): AgentName | undefined {
    const seed = hashText(key);
    let best: AgentName | undefined;
    let highest = -1;
    for (const instance of this.#instances.get(group) ?? []) {
      const weight = hashText(instance, seed);
      if (weight <= highest) continue;
      highest = weight;
      best = instance;
    }
    return best;
  }

  #note(agent: AgentName): void {
    const group = this.#table.get(agent)?.spec.instance?.of;
    const before = this.#groupOf.get(agent);
    if (group === before) return;
    if (before !== undefined) {
      const left = this.of(before).filter((name) => name !== agent);
      if (left.length > 0) this.#instances.set(before, left);
      else this.#instances.delete(before);
      this.#groupOf.delete(agent);
    }
    if (group === undefined) return;
    this.#groupOf.set(agent, group);
    const indexOf = (name: AgentName): number => this.#table.get(name)?.spec.instance?.index ?? 0;
    this.#instances.set(
      group,
      [...this.of(group), agent].toSorted((a, b) => indexOf(a) - indexOf(b)),
    );
  }
}

/** The first is 1. */
export function instanceName(group: AgentName, index: number): AgentName {
  return `${group}-${index}` as AgentName;
}
