/** `caxton cluster detect-partition`: is the cluster split, on which side is this node, and what is to be done. */
import { counted } from "../../base/counted.ts";
import type { OverviewAnswer } from "../../api/cluster/partition.ts";
import { choices } from "../parse.ts";
import { command } from "../command.ts";

const degraded = 7;
const strategies = ["auto", "manual"] as const;
type Strategy = (typeof strategies)[number];

interface Flags {
  readonly resolveStrategy: Strategy;
}

export const detectPartition = command<Flags>({
  brief: "Tell whether the cluster is partitioned",
  examples: ["caxton cluster detect-partition", "caxton cluster detect-partition --resolve-strategy manual"],
  parameters: {
    flags: {
      resolveStrategy: {
        kind: "parsed",
        ...choices(strategies),
        default: "auto",
        placeholder: strategies.join("|"),
        brief: "Leave it to the nodes, or tell what an operator can do",
      },
    },
  },
  run: async (call, { resolveStrategy }) => {
    const answer = await (await call.client()).cluster.partition();
    call.output.lines(partitionLines(answer, resolveStrategy), answer);
    return isWhole(answer) ? 0 : degraded;
  },
});

function isWhole({ groups, blind, unheard = [], state }: OverviewAnswer): boolean {
  const isMinority = state === "minority" || state === "isolated";
  return groups.length === 1 && blind.length === 0 && unheard.length === 0 && !isMinority;
}

export function partitionLines(answer: OverviewAnswer, strategy: Strategy): string[] {
  const { node, groups, blind, unheard = [], leader, voters_reached, voters, needed } = answer;
  if (isWhole(answer)) return [`No partition detected (${voters_reached} of ${voters} voters in reach)`];
  const lines = ["WARNING: Potential split brain detected"];
  groups.forEach(({ nodes, side }, at) => {
    const known = side === "unknown" ? "not reached from here" : side;
    lines.push(`Partition ${at + 1}: [${nodes.join(", ")}] (${known})`);
  });
  lines.push(...blindLines(answer));
  for (const { node: lost, by } of unheard)
    lines.push(
      `No lease: ${lost}, since the leader (${by}) does not hear it: its agents go to others, unless they wait for it`,
    );
  if (leader === null && groups.length === 1 && blind.length === 0)
    lines.push(`No leader: ${voters_reached} of ${voters} voters in reach, ${needed} needed`);
  return [...lines, ...actionLines(answer, strategy, node)];
}

/** Pairs that do not reach each other once; of others the one that does not reach, and whether the other could say so. */
function blindLines({ blind, unasked }: OverviewAnswer): string[] {
  const pairs = new Set(blind.map(({ from, to }) => `${from} ${to}`));
  return blind.flatMap(({ from, to }) => {
    if (!pairs.has(`${to} ${from}`)) {
      // A node of an earlier program does not tell whom it asked.
      const isHalf = unasked?.includes(to) ?? true;
      return [
        isHalf
          ? `Cut: ${from} does not reach ${to} (${to} cannot be asked)`
          : `One way: ${from} does not reach ${to}`,
      ];
    }
    return from < to ? [`Cut: ${from} and ${to} do not reach each other`] : [];
  });
}

function actionLines(
  { groups, leader, state, queued_writes }: OverviewAnswer,
  strategy: Strategy,
  node: string,
): string[] {
  const isCut = state === "minority" || state === "isolated";
  const cut = groups.filter(({ side }) => side === "minority").flatMap(({ nodes }) => nodes);
  const waits =
    queued_writes > 0
      ? `; ${counted(queued_writes, "write")} ${queued_writes === 1 ? "waits" : "wait"} at ${node}`
      : "";
  const calm = leader === null ? "waiting for a leader" : "none by itself: look at the network between them";
  const action =
    cut.length === 0 ? `Action: ${calm}` : `Action: ${cut.join(", ")} entering degraded mode${waits}`;
  if (strategy === "auto") return [action];
  return [
    action,
    "Then: caxton cluster compare-state, to see that the replicas agree",
    `Then: caxton cluster resolve-partition --prefer majority${isCut ? ", at a node of the majority" : ""}`,
  ];
}
