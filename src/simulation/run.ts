/** Plays one scenario under all checkers, up to its end or the first broken invariant. */
import { reasonOf } from "../base/errors.ts";
import { makeChecks } from "./checks.ts";
import { Figures, type RunFigures } from "./figures.ts";
import type { Scenario } from "./scenario.ts";
import type { Violation } from "./scene.ts";
import { Story, type StoryLine } from "./story.ts";
import { World } from "./world.ts";

export interface InvariantResult {
  readonly name: string;
  readonly rule: string;
  /** How often it was looked at; 0 says that this run proves nothing about it. */
  readonly checked: number;
  readonly violations: number;
}

export interface RunResult {
  readonly scenario: Scenario;
  /** 16 hexadecimal digits: equal runs, equal hash. */
  readonly hash: string;
  readonly events: number;
  /** Virtual time that was played. */
  readonly played_ms: number;
  readonly violation: Violation | null;
  readonly invariants: readonly InvariantResult[];
  readonly figures: RunFigures;
  readonly story: readonly StoryLine[];
}

/** What is shown while it runs, once a virtual second. */
export interface Progress {
  readonly now_ms: number;
  readonly up: number;
  readonly wrongViews: number;
}

/** The checker under whose name a throw of a driver is reported. */
export const crashChecker = "no-throw";

/** Never throws for what a driver does; throws `CaxtonError` for a scenario that does not fit itself. */
export async function runScenario(
  scenario: Scenario,
  progress: (progress: Progress) => void = () => {},
): Promise<RunResult> {
  const world = new World(scenario);
  const story = new Story(world);
  const figures = new Figures(world);
  const { checkers, violations } = makeChecks(world, () => world.stop());
  for (const observer of [story, figures, ...checkers]) world.watch(observer);
  let thrown: Violation | null = null;
  try {
    await world.run((now_ms) => {
      const up = world.truth.up.reduce((sum, one) => sum + one, 0);
      progress({ now_ms, up, wrongViews: world.views.wrong });
    });
  } catch (error) {
    thrown = { checker: crashChecker, at_ms: world.now(), detail: reasonOf(error) };
  }
  return {
    scenario,
    hash: world.hash,
    events: world.events,
    played_ms: world.now(),
    violation: thrown ?? violations[0] ?? null,
    invariants: checkers.map(({ name, rule, checked }) => ({
      name,
      rule,
      checked,
      violations: violations.filter(({ checker }) => checker === name).length,
    })),
    figures: figures.result(),
    story: story.lines(),
  };
}
