/** `caxton cluster members`: who is in the cluster, as the node that answers sees it. */
import type { MembersAnswer } from "../../api/cluster/members.ts";
import { formatSize } from "../../base/sizes.ts";
import { command } from "../command.ts";
import { agoText, percentText } from "../figures.ts";
import type { Column } from "../output.ts";

type Member = MembersAnswer["members"][number];

export const members = command({
  brief: "List the members of the cluster",
  examples: ["caxton cluster members", "caxton cluster members --format wide"],
  parameters: {},
  run: async (call) => {
    const answer = await (await call.client()).cluster.members();
    const allAlive = answer.members.every(({ status }) => status === "alive");
    call.output.table(columnsFor(answer, allAlive, call.output.format === "wide"), answer.members, answer);
  },
});

/** The documents have two tables: load while all are well, and when each was last seen while one is not. */
export function columnsFor(
  // A node of an older program does not say who is isolated.
  { now, isolated = [] }: Pick<MembersAnswer, "now"> & Partial<Pick<MembersAnswer, "isolated">>,
  allAlive: boolean,
  wide: boolean,
): Column<Member>[] {
  const id: Column<Member> = { title: "NODE-ID", cell: (member) => member.id };
  const status: Column<Member> = {
    title: "STATUS",
    cell: ({ id: node, status: word }) => (isolated.includes(node) ? `${word} (isolated)` : word),
  };
  const lastSeen: Column<Member> = { title: "LAST-SEEN", cell: (member) => agoText(member.last_seen, now) };
  const agents: Column<Member> = { title: "AGENTS", cell: (member) => String(member.agents) };
  const address: Column<Member> = { title: "ADDRESS", cell: (member) => member.address };
  const load: Column<Member>[] = [
    { title: "CPU", cell: ({ cpu_percent }) => percentText(cpu_percent) },
    { title: "MEMORY", cell: ({ memory_bytes }) => formatSize(memory_bytes) },
  ];
  const place: Column<Member>[] = [
    { title: "REGION", cell: ({ region }) => region },
    { title: "ZONE", cell: ({ zone }) => zone },
    { title: "VERSION", cell: ({ version }) => version },
  ];
  if (wide) return [id, status, address, agents, ...load, lastSeen, ...place];
  return allAlive ? [id, status, address, agents, ...load] : [id, status, lastSeen, agents];
}
