/**
 * Makes a failing scenario small: fewer nodes, fewer and shorter faults, less noise, while the same
 * invariant still breaks. Greedy and bounded, also in time; the result is a scenario like any other.
 */
import { CaxtonError } from "../base/errors.ts";
import { perfectNetwork, type Fault, type Scenario } from "./scenario.ts";
import type { RunResult } from "./run.ts";

export interface Shrunk {
  readonly scenario: Scenario;
  readonly result: RunResult;
  /** Runs that it took. */
  readonly runs: number;
}

/** Who waits for it: whether there is time for one more run, and how far it has come. */
export interface Patience {
  readonly hasTime: () => boolean;
  /** Before each run: the smallest scenario so far. */
  readonly tries: (run: number, best: Scenario) => void;
}

const patient: Patience = { hasTime: () => true, tries: () => {} };
export const runsLimit = 60;
/** All runs together may have so many times the events of the first. */
const workLimit = 12;
const leastNodes = 3;
const leastFault_ms = 500;
/** Shown after the broken invariant. */
const after_ms = 1_000;

/** `failed` is a run that broke an invariant. `run` is `runScenario`. */
export async function shrink(
  failed: RunResult,
  run: (scenario: Scenario) => Promise<RunResult>,
  patience: Patience = patient,
): Promise<Shrunk> {
  const shrinking = new Shrinking(failed, run, patience);
  // Runs of few nodes take least, and each try gets what the one before has spared.
  await shrinking.fewerNodes();
  await shrinking.shorten();
  await shrinking.fewerFaults();
  await shrinking.fewerNodes();
  await shrinking.lessNoise();
  await shrinking.shorterFaults();
  await shrinking.shorten();
  return { scenario: shrinking.best.scenario, result: shrinking.best, runs: shrinking.runs };
}

class Shrinking {
  runs = 0;
  best: RunResult;
  readonly #checker: string;
  #work: number;

  constructor(
    failed: RunResult,
    private readonly run: (scenario: Scenario) => Promise<RunResult>,
    private readonly patience: Patience,
  ) {
    this.best = failed;
    this.#checker = failed.violation?.checker ?? "";
    this.#work = failed.events * workLimit;
  }

  async shorten(): Promise<void> {
    const shorter = this.#shorter();
    if (shorter.duration_ms < this.best.scenario.duration_ms) await this.#try(shorter);
  }

  /** Nothing after the violation matters. */
  #shorter(): Scenario {
    const { scenario, violation } = this.best;
    const duration_ms = Math.min(scenario.duration_ms, Math.ceil((violation?.at_ms ?? 0) + after_ms));
    return { ...scenario, duration_ms, faults: scenario.faults.filter(({ at_ms }) => at_ms <= duration_ms) };
  }

  /** Halves, quarters, … and single faults are left out. */
  async fewerFaults(): Promise<void> {
    for (let size = Math.ceil(this.best.scenario.faults.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < this.best.scenario.faults.length;) {
        const { faults } = this.best.scenario;
        const rest = [...faults.slice(0, at), ...faults.slice(at + size)];
        if (!(await this.#tryFaults(rest))) at += size;
      }
    }
  }

  async fewerNodes(): Promise<void> {
    for (const share of [0.1, 0.2, 0.35, 0.5, 0.75]) {
      const scenario = this.#shorter();
      const nodes = Math.max(leastNodes, Math.ceil(scenario.nodes * share));
      if (nodes < scenario.nodes && (await this.#try({ ...scenario, nodes }))) return;
    }
  }

  async lessNoise(): Promise<void> {
    await this.#try({ ...this.best.scenario, network: perfectNetwork });
    const { messages: _, ...silent } = this.best.scenario;
    await this.#try(silent);
    await this.#try({ ...this.best.scenario, agents: 0 });
  }

  async shorterFaults(): Promise<void> {
    for (let i = 0; i < this.best.scenario.faults.length; i++) {
      for (;;) {
        const { faults } = this.best.scenario;
        const fault = faults[i];
        if (!fault || fault.for_ms === undefined || fault.for_ms <= leastFault_ms) break;
        const shorter = { ...fault, for_ms: Math.round(fault.for_ms / 2) };
        if (!(await this.#tryFaults(faults.with(i, shorter)))) break;
      }
    }
  }

  async #tryFaults(faults: readonly Fault[]): Promise<boolean> {
    return await this.#try({ ...this.best.scenario, faults });
  }

  async #try(scenario: Scenario): Promise<boolean> {
    if (this.runs >= runsLimit || this.#work <= 0 || !this.patience.hasTime()) return false;
    this.runs++;
    this.patience.tries(this.runs, this.best.scenario);
    try {
      const result = await this.run(scenario);
      this.#work -= result.events;
      if (result.violation?.checker !== this.#checker) return false;
      this.best = result;
      return true;
    } catch (error) {
      // Fewer nodes than a fault speaks of.
      if (error instanceof CaxtonError) return false;
      throw error;
    }
  }
}
