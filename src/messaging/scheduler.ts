/**
 * Which agent runs next on a thread: deficit round robin (Shreedhar and Varghese 1996) over the
 * agents that have work. What is shared is cost, not turns: the fuel that a call used and a fixed
 * charge for each. An agent that overspent its share waits the rounds that pay for it, so that
 * neither a flood of messages nor expensive handlers starve another agent. An idle agent that a turn
 * woke runs one thing next, on credit: so a message that is answered at once waits for nobody's turn.
 */
import { RingQueue } from "../base/ring-queue.ts";

/** Charged for a call beside its fuel: what the host does around it, in units of fuel. */
export const callCost = 2_000;
/** What an agent of weight 1 may spend in a round. */
export const roundShare = 20_000;
/** A drain ends when this much was spent (a few ms), so that the thread sees its events. */
export const drainBudget = 3_000_000;
/** So many run on credit one after another; then the round goes on. */
export const handOversInRow = 4;

/** What the scheduler runs. `scheduled`, `deficit` and `era` are the scheduler's own notes, at first false, 0 and 0. */
export interface Runnable {
  scheduled: boolean;
  deficit: number;
  era: number;
  readonly weight: number;
  /** Whether `runOne` would do something now. */
  readonly runnable: boolean;
  /** Has work, but must wait for something that all such agents wait for: until `unpark`. */
  readonly blocked: boolean;
  /** Does one thing; returns the fuel it used. */
  runOne(): number;
}

export class Scheduler<R extends Runnable> {
  readonly #ready = new RingQueue<R>();
  #parked: R[] = [];
  /** Woken by the turn that runs now: it may be the next. */
  #woken: R | undefined;
  #inTurn = false;
  #handOvers = 0;
  /** Rises whenever nobody waits: debts of an earlier era harmed no one and are forgiven. */
  #era = 0;

  get ready(): number {
    return this.#ready.length;
  }

  /** Puts it into the round, once; call whenever it may have become runnable. */
  wake(agent: R): void {
    if (agent.scheduled) return;
    agent.scheduled = true;
    const inDebt = agent.deficit < 0 && agent.era === this.#era;
    if (this.#inTurn && this.#woken === undefined && !inDebt) this.#woken = agent;
    else this.#ready.push(agent);
  }

  /** What the blocked ones waited for has come. */
  unpark(): void {
    const parked = this.#parked;
    if (parked.length === 0) return;
    this.#parked = [];
    for (const agent of parked) this.#ready.push(agent);
  }

  /** Runs agents until none is ready, the budget is spent or `enough` says so after a turn; true when some are still ready. */
  drain(budget = drainBudget, enough: () => boolean = never): boolean {
    let left = budget;
    while (left > 0) {
      const handedOver = this.#handedOver();
      const agent = handedOver ?? this.#ready.shift();
      if (agent === undefined) break;
      this.#inTurn = true;
      left -= handedOver === undefined ? this.#turn(agent) : this.#credit(agent);
      this.#inTurn = false;
      if (enough()) break;
    }
    this.#endRow();
    if (this.#ready.length > 0) return true;
    this.#era++;
    return false;
  }

  /** The agent that the last turn woke, unless the row is long enough. */
  #handedOver(): R | undefined {
    const woken = this.#woken;
    if (woken === undefined || this.#handOvers >= handOversInRow) {
      this.#endRow();
      return undefined;
    }
    this.#handOvers++;
    this.#woken = undefined;
    return woken;
  }

  #endRow(): void {
    this.#handOvers = 0;
    if (this.#woken === undefined) return;
    this.#ready.push(this.#woken);
    this.#woken = undefined;
  }

  /** One thing, paid for out of the next share: until then the agent is handed nothing over. */
  #credit(agent: R): number {
    if (!agent.runnable || agent.blocked) return this.#turn(agent);
    const cost = callCost + agent.runOne();
    agent.era = this.#era;
    agent.deficit = -cost;
    if (agent.runnable) this.#ready.push(agent);
    else agent.scheduled = false;
    return cost;
  }

  #turn(agent: R): number {
    if (!agent.runnable) {
      agent.scheduled = false;
      if (agent.deficit > 0) agent.deficit = 0;
      return 0;
    }
    if (agent.blocked) {
      this.#parked.push(agent);
      return 0;
    }
    if (agent.deficit < 0 && (agent.era !== this.#era || this.#ready.length === 0)) agent.deficit = 0;
    agent.era = this.#era;
    agent.deficit += roundShare * agent.weight;
    let spent = 0;
    while (agent.deficit > 0 && agent.runnable && !agent.blocked) {
      const cost = callCost + agent.runOne();
      agent.deficit -= cost;
      spent += cost;
    }
    if (agent.runnable) {
      this.#ready.push(agent);
    } else {
      agent.scheduled = false;
      if (agent.deficit > 0) agent.deficit = 0;
    }
    // A visit that only paid debt costs the drain a little, so that the loop is bounded.
    return spent + 50;
  }
}

function never(): boolean {
  return false;
}
