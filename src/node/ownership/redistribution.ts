/** One loss of a node, told as it is made good: which agent went where, and when all of them answer again. */
import { counted } from "../../base/counted.ts";
import type { AgentName, NodeId } from "../../base/ids.ts";
import type { DirectoryEntry } from "../../cluster/membership.ts";
import type { Placed } from "../../placement/failover-plan.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { EventLog } from "../events/event-log.ts";

/** Agents that are told one by one; of more, the rest are told as a number. */
const linesLimit = 100;
/** What does not run by then is told of, and waited for no more. */
const patience_ms = 60_000;

export interface RedistributionOptions {
  readonly node: NodeId;
  /** When the node was found to be gone, on the monotonic clock. */
  readonly since_ms: number;
  readonly clock: Clock;
  readonly events: EventLog;
  readonly locate: (agent: AgentName) => DirectoryEntry | undefined;
  readonly ended: () => void;
}

export class Redistribution {
  readonly #options: RedistributionOptions;
  /** Moved and not running yet, with the epoch that they had before. */
  readonly #waiting = new Map<AgentName, { readonly to: NodeId; readonly epoch: number }>();
  readonly #timer: Timer;
  readonly #begun_ms: number;
  #decided_ms = 0;
  #moved = 0;
  #complete = false;
  #over = false;

  constructor(options: RedistributionOptions) {
    this.#options = options;
    this.#begun_ms = options.clock.now_ms() - options.since_ms;
    this.#timer = options.clock.after(patience_ms, () => this.#late());
  }

  /** `epochOf`: the one of before. */
  proposed(placed: readonly Placed[], epochOf: (agent: AgentName) => number): void {
    for (const { agent, to } of placed) {
      this.#moved++;
      const epoch = epochOf(agent);
      this.#waiting.set(agent, { to, epoch });
      const entry = this.#options.locate(agent);
      if (entry !== undefined) this.#entry(entry);
    }
  }

  /** Nothing more is proposed. */
  complete(): void {
    this.#complete = true;
    this.#decided_ms = this.#options.clock.now_ms() - this.#options.since_ms;
    this.#check();
  }

  announced(changed: readonly DirectoryEntry[]): void {
    for (const entry of changed) this.#entry(entry);
    this.#check();
  }

  close(): void {
    this.#over = true;
    this.#timer.cancel();
  }

  #entry({ agent, node, epoch, status }: DirectoryEntry): void {
    const waiting = this.#waiting.get(agent);
    if (waiting === undefined || epoch <= waiting.epoch || status === "starting") return;
    this.#waiting.delete(agent);
    const done = this.#moved - this.#waiting.size;
    if (done > linesLimit) return;
    const text = `Agent '${agent}' migrated to ${node}`;
    this.#options.events.record("info", "failover.agent", text, {
      agent,
      node,
      from: this.#options.node,
      epoch,
    });
  }

  #check(): void {
    if (!this.#complete || this.#over || this.#waiting.size > 0) return;
    const { node, events, since_ms, clock, ended } = this.#options;
    const seconds = (clock.now_ms() - since_ms) / 1_000;
    if (this.#moved > linesLimit) {
      const text = `${this.#moved - linesLimit} more agents migrated from ${node}`;
      events.record("info", "failover.agent", text, { from: node, agents: this.#moved - linesLimit });
    }
    const text = `All agents successfully redistributed (${seconds.toFixed(1)}s)`;
    const [begun, decided] = [this.#begun_ms / 1_000, this.#decided_ms / 1_000];
    events.record("info", "failover.done", text, { node, agents: this.#moved, begun, decided, seconds });
    this.close();
    ended();
  }

  #late(): void {
    const { node, events, ended } = this.#options;
    const names = [...this.#waiting.keys()].slice(0, linesLimit);
    const text = `Not running elsewhere yet: ${counted(this.#waiting.size, "agent")} from ${node}`;
    events.record("warn", "failover.late", text, { node, agents: names });
    this.close();
    ended();
  }
}
