/** Whether a trapped agent may be restarted: at most `maxRestarts` in any minute. */
import type { AgentSpec } from "../../wire/agent-spec.ts";

const window_ms = 60_000;
/** However the agent was deployed, no more restarts are remembered. */
const mostRestarts = 10_000;

export class RestartWindow {
  #times_ms: number[] = [];

  /** Counts the restart when it is allowed. `now_ms` is monotonic. */
  allow(restart: AgentSpec["restart"], now_ms: number): boolean {
    if (restart.policy === "fail") return false;
    this.#times_ms = this.#times_ms.filter((at_ms) => now_ms - at_ms < window_ms);
    if (this.#times_ms.length >= Math.min(restart.maxRestarts, mostRestarts)) return false;
    this.#times_ms.push(now_ms);
    return true;
  }

  clear(): void {
    this.#times_ms = [];
  }
}
