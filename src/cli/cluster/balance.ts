/** `caxton cluster balance [--strategy S]`: the placement strategy of the cluster, or another one from now on. */
import type { BalanceAnswer } from "../../api/cluster/balance.ts";
import { placementStrategies } from "../../wire/agent-spec.ts";
import { command } from "../command.ts";
import { choices } from "../parse.ts";
import { renderTable } from "../table.ts";

interface Flags {
  readonly strategy?: (typeof placementStrategies)[number];
}

export const balance = command<Flags>({
  brief: "Show or choose how agents are placed",
  examples: ["caxton cluster balance", "caxton cluster balance --strategy round-robin"],
  parameters: {
    flags: {
      strategy: {
        kind: "parsed",
        ...choices(placementStrategies),
        optional: true,
        placeholder: "S",
        brief: placementStrategies.join(", "),
      },
    },
  },
  run: async (call, { strategy }) => {
    const { cluster } = await call.client();
    const answer = strategy === undefined ? await cluster.balance() : await cluster.setBalance(strategy);
    call.output.lines(balanceLines(answer), answer);
  },
});

export function balanceLines({ strategy, backends }: BalanceAnswer): string[] {
  const rows = backends.map((each) => [
    each.node,
    String(each.chosen),
    String(each.failed),
    String(each.in_flight),
    String(each.connections),
  ]);
  const head = ["NODE-ID", "CHOSEN", "FAILED", "IN-FLIGHT", "CONNECTIONS"];
  return [`Strategy: ${strategy}`, renderTable(head, rows)];
}
