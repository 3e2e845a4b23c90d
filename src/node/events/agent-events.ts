/**
 * Turns what agents of this node report into the lines that people follow. An agent that traps the same way again and
 * again, as one that traps when it begins and is restarted, is told of once, and then how often more.
 */
import type { LocalAgentEvent } from "../../agents/local-agents.ts";
import { counted } from "../../base/counted.ts";
import { type AgentName, quote } from "../../base/ids.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { EventLog } from "./event-log.ts";

/** Traps of one kind are counted for so long before the number is told. */
const counting_ms = 10_000;

type Trap = Extract<LocalAgentEvent, { readonly kind: "trap" }>;

interface Repeated {
  readonly trap: Trap;
  /** After the first, which was told. */
  more: number;
  readonly timer: Timer;
}

export class AgentEvents {
  /** Agents that trapped lately: at most as many as the node has. */
  readonly #repeated = new Map<AgentName, Repeated>();

  constructor(
    private readonly events: EventLog,
    private readonly clock: Clock,
  ) {}

  record(event: LocalAgentEvent): void {
    const { events } = this;
    switch (event.kind) {
      case "status":
        if (event.status !== "failed") return;
        this.#tellMore(event.agent);
        events.record("warn", "agent.failed", `Agent '${event.agent}' failed: ${event.reason}`, { ...event });
        return;
      case "trap":
        this.#trapped(event);
        return;
      case "dead_letter":
        recordDeadLetter(events, event.reason, event.agent);
        return;
      case "yielded":
        events.record("warn", "agent.yielded", `Agent '${event.agent}' yielded to ${event.to}`, { ...event });
    }
  }

  close(): void {
    for (const { timer } of this.#repeated.values()) timer.cancel();
    this.#repeated.clear();
  }

  #trapped(trap: Trap): void {
    const known = this.#repeated.get(trap.agent);
    if (known !== undefined && known.trap.trap === trap.trap && known.trap.detail === trap.detail) {
      known.more++;
      return;
    }
    this.#tellMore(trap.agent);
    const timer = this.clock.after(counting_ms, () => this.#tellMore(trap.agent));
    this.#repeated.set(trap.agent, { trap, more: 0, timer });
    this.events.record("warn", "agent.trap", `Agent '${trap.agent}' trapped: ${trap.trap}`, { ...trap });
  }

  #tellMore(agent: AgentName): void {
    const known = this.#repeated.get(agent);
    if (known === undefined) return;
    known.timer.cancel();
    this.#repeated.delete(agent);
    const { trap, more } = known;
    if (more === 0) return;
    const text = `Agent '${agent}' trapped: ${trap.trap} (${counted(more, "more time")})`;
    this.events.record("warn", "agent.trap", text, { ...trap, more });
  }
}

export function recordDeadLetter(events: EventLog, reason: string, receiver: string): void {
  const text = `Message to ${quote(receiver)} became a dead letter: ${reason}`;
  events.record("warn", "message.dead_letter", text, { receiver, reason });
}
