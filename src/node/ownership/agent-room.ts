/**
 * What this node tells the others of its room for agents: fewer places than it is configured with, namely those that
 * are taken, while its agents have nearly all of their memory. So placement leaves it out, and nobody is moved away.
 */
import type { NodeMemory } from "../../agents/memory-budget.ts";
import type { OwnTags } from "../own-tags.ts";

/** Full when less of the budget is free than this share; no longer once twice as much is. */
const fullBelow = 1 / 16;

export class AgentRoom {
  readonly #tags: Pick<OwnTags, "current" | "set">;
  readonly #configured: number;
  readonly #memory: Pick<NodeMemory, "free_bytes" | "budget_bytes">;
  #full = false;

  constructor(
    tags: Pick<OwnTags, "current" | "set">,
    configured: number,
    memory: Pick<NodeMemory, "free_bytes" | "budget_bytes">,
  ) {
    this.#tags = tags;
    this.#configured = configured;
    this.#memory = memory;
  }

  /** Now and then, with how many agents are here. */
  look(agents: number): void {
    const told = this.#tags.current.maxAgents;
    // The node is being drained, or takes none at all.
    if (told === 0) return;
    const { free_bytes, budget_bytes } = this.#memory;
    this.#full = free_bytes < budget_bytes * (this.#full ? 2 * fullBelow : fullBelow);
    // Not 0: that is a node which is being drained.
    const places = this.#full ? Math.min(this.#configured, Math.max(1, agents)) : this.#configured;
    if (places !== told) this.#tags.set({ maxAgents: places });
  }
}
