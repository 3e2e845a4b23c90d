/** What went wrong in this node's agents since they came here: how often by kind, and the last time in words. */
import type { AgentName } from "../base/ids.ts";
import type { TrapKind } from "../wasm/trap.ts";
import type { AgentEvent } from "./thread/thread-protocol.ts";

export interface LastTrap {
  readonly kind: TrapKind;
  /** `handling a message: used all 1000 units of fuel`. */
  readonly text: string;
  readonly at_ms: number;
}

export interface AgentTraps {
  readonly trap_kinds: Readonly<Partial<Record<TrapKind, number>>>;
  readonly last_trap: LastTrap | null;
}

const none: AgentTraps = { trap_kinds: {}, last_trap: null };

/** An entry an agent that ever trapped: at most as many as the node has agents. */
export class TrapRecords {
  readonly #agents = new Map<AgentName, AgentTraps>();

  add({ agent, trap: kind, detail: text, at_ms }: Extract<AgentEvent, { kind: "trap" }>): void {
    const { trap_kinds } = this.of(agent);
    this.#agents.set(agent, {
      trap_kinds: { ...trap_kinds, [kind]: (trap_kinds[kind] ?? 0) + 1 },
      last_trap: { kind, text, at_ms },
    });
  }

  of(agent: AgentName): AgentTraps {
    return this.#agents.get(agent) ?? none;
  }

  forget(agent: AgentName): void {
    this.#agents.delete(agent);
  }
}
