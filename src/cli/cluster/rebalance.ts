/** `caxton cluster rebalance [--strategy S --plan]`: shows which agents would move and why, then moves them. */
import type { PlanAnswer, RebalanceAnswer } from "../../api/cluster/balance.ts";
import { rebalanceStrategies } from "../../placement/rebalance-plan.ts";
import { command } from "../command.ts";
import { choices } from "../parse.ts";
import { renderTable } from "../table.ts";

interface Flags {
  readonly strategy?: (typeof rebalanceStrategies)[number];
  readonly plan: boolean;
}

const failure = 1;

export const rebalance = command<Flags>({
  brief: "Move agents so that the nodes carry their part",
  examples: [
    "caxton cluster rebalance --plan",
    "caxton cluster rebalance --strategy even-distribution",
    "caxton cluster rebalance --strategy locality",
  ],
  parameters: {
    flags: {
      strategy: {
        kind: "parsed",
        ...choices(rebalanceStrategies),
        optional: true,
        placeholder: "S",
        brief: `${rebalanceStrategies.join(", ")}; the first unless given`,
      },
      plan: { kind: "boolean", default: false, withNegated: false, brief: "Show the plan and move nothing" },
    },
  },
  run: async (call, { strategy = "even_distribution", plan: only }) => {
    const { cluster } = await call.client();
    const json = call.output.format === "json";
    const plan = await cluster.rebalancePlan(strategy);
    if (only || !json) call.output.lines(planLines(plan), plan);
    if (only || (plan.moves.length === 0 && !json)) return 0;
    const done = await cluster.rebalance(strategy);
    call.output.lines(doneLines(done), done);
    return done.failed.length > 0 ? failure : 0;
  },
});

export function planLines({ moves, strategy, limit }: PlanAnswer): string[] {
  if (moves.length === 0) return [`Nothing to move: the nodes are balanced (${strategy})`];
  const rows = moves.map(({ agent, from, to, why }) => [agent, from, to, why]);
  const more = moves.length < limit ? [] : [`At most ${limit} move at once: plan again afterwards`];
  return [renderTable(["AGENT-ID", "FROM", "TO", "WHY"], rows), ...more];
}

export function doneLines({ moves, moved, failed, seconds }: RebalanceAnswer): string[] {
  const lines = failed.map(({ agent, reason }) => `Agent '${agent}' stays: ${reason}`);
  return [...lines, `Moved ${moved} of ${moves.length} agents (${seconds.toFixed(1)}s)`];
}
