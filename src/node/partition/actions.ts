/**
 * What a minority does, by the configuration: its decisions, or an operator's own program that is asked first. A
 * program that fails, hangs, floods or answers nonsense is told of, and the decisions count.
 */
import * as v from "valibot";
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import { parsedJson } from "../../base/parsed-json.ts";
import {
  decideAction,
  parseCondition,
  type PartitionAction,
  partitionActions,
  type PartitionDecision,
  type PartitionFacts,
} from "../../ownership/partition-policy.ts";
import type { PartitionState } from "../../ownership/partition-state.ts";
import { runProgram } from "../../platform/node/run-program.ts";

const handlerLimits = { timeout_ms: 5_000, output_bytes: 64 * 1024 };
const answerSchema = v.strictObject({ action: v.picklist(partitionActions) });

export interface PartitionPolicySettings {
  readonly strategy: "default" | "custom";
  readonly custom_handler: string | null;
  readonly decisions: readonly { readonly condition: string; readonly action: PartitionAction }[];
}

export interface PartitionActionsOptions {
  readonly settings: PartitionPolicySettings;
  readonly node: string;
  readonly facts: () => PartitionFacts;
  readonly decided: (action: PartitionAction, why: string) => void;
  /** At each change, null in a majority: what the node does by it. */
  readonly applied: (action: PartitionAction | null) => void;
  readonly handlerFailed: (reason: string) => void;
}

export class PartitionActions {
  readonly #options: PartitionActionsOptions;
  readonly #decisions: readonly PartitionDecision[];
  #action: PartitionAction | null = null;
  /** Counts changes of state: an answer to an earlier question is old. */
  #round = 0;
  /** The program failed at this state: until it is asked anew the decisions count. */
  #unanswered = false;

  /** Throws `invalid_config` for a strategy that lacks its handler. */
  constructor(options: PartitionActionsOptions) {
    this.#options = options;
    const { strategy, custom_handler, decisions } = options.settings;
    if (strategy === "custom" && custom_handler === null && decisions.length === 0) {
      throw new CaxtonError(
        "invalid_config",
        'coordination.partition.strategy is "custom", and neither custom_handler nor decisions are set',
      );
    }
    this.#decisions = decisions.flatMap(({ condition, action }) => {
      const parsed = parseCondition(condition);
      return typeof parsed === "string" ? [] : [{ condition: parsed, action }];
    });
  }

  /** Null in a majority. */
  get action(): PartitionAction | null {
    return this.#action;
  }

  /** The state has changed, or what conditions look at. The program is asked at changes of state only. */
  changed(state: PartitionState, stateIsNew: boolean): void {
    if (state === "healthy" || state === "majority") {
      this.#round++;
      this.#action = null;
      this.#options.applied(null);
      return;
    }
    const { settings, facts } = this.#options;
    const asked = settings.strategy === "custom" ? settings.custom_handler : null;
    if (asked !== null && !stateIsNew && !this.#unanswered) return;
    const { action, decision } = decideAction(this.#decisions, facts());
    this.#decide(action, decision === null ? "the default" : `decision ${decision + 1}`);
    if (asked === null || !stateIsNew) return;
    this.#unanswered = false;
    void this.#ask(asked, state, ++this.#round);
  }

  async #ask(handler: string, state: PartitionState, round: number): Promise<void> {
    const { node, facts, handlerFailed } = this.#options;
    try {
      const question = { node, state, ...facts(), default_action: this.#action };
      const text = await runProgram(handler, `${JSON.stringify(question)}\n`, handlerLimits);
      const answer = v.safeParse(answerSchema, parsedJson(text));
      if (!answer.success) {
        const wanted = partitionActions.map((action) => `"${action}"`).join(", ");
        throw new CaxtonError(
          "invalid_argument",
          `${handler} did not print {"action": …} with one of ${wanted}`,
        );
      }
      if (round === this.#round) this.#decide(answer.output.action, handler);
    } catch (error) {
      handlerFailed(reasonOf(error));
      if (round !== this.#round) return;
      this.#unanswered = true;
      this.changed(state, false);
    }
  }

  #decide(action: PartitionAction, why: string): void {
    if (action === this.#action) return;
    this.#action = action;
    this.#options.decided(action, why);
    this.#options.applied(action);
  }
}
