/** `caxton cluster leader [--transfer-to N]`: who leads and who votes, or a new leader in order. */
import type { LeaderAnswer } from "../../api/cluster/leader.ts";
import { CaxtonError } from "../../base/errors.ts";
import { parseNodeId } from "../../base/ids.ts";
import { command } from "../command.ts";

interface Flags {
  readonly transferTo?: string;
}

export const leader = command<Flags>({
  brief: "Show the leader, or hand leadership over",
  examples: ["caxton cluster leader", "caxton cluster leader --transfer-to node-2"],
  parameters: {
    flags: {
      transferTo: {
        kind: "parsed",
        parse: parseNodeId,
        optional: true,
        placeholder: "N",
        brief: "The voter that is to lead",
      },
    },
  },
  run: async (call, { transferTo }) => {
    const { cluster } = await call.client();
    if (transferTo !== undefined) {
      const done = await cluster.transferLeadership(transferTo);
      call.output.lines([`Leader: ${done.leader}`], done);
      return;
    }
    const answer = await cluster.leader();
    if (answer.leader === null && call.output.format !== "json") {
      throw new CaxtonError(
        "no_quorum",
        `The cluster has no leader (term ${answer.term}, ${reachText(answer)}). See: caxton cluster status`,
      );
    }
    call.output.lines(leaderLines(answer, call.output.format === "wide"), answer);
  },
});

/** Wide: also whether each node could be taken down now, where the leader answers. */
export function leaderLines(answer: LeaderAnswer, wide: boolean): string[] {
  const lines = [
    `Leader: ${answer.leader ?? "none"}`,
    `Term: ${answer.term}`,
    `Quorum: ${answer.quorum ? "yes" : "no"} (${reachText(answer)})`,
    `Log: committed ${answer.commit}, applied here ${answer.applied}`,
  ];
  for (const role of ["voter", "witness", "learner"] as const) {
    const names = answer.members.filter((member) => member.role === role).map(({ node }) => node);
    if (names.length > 0) lines.push(`${titles[role]}: ${names.join(", ")}`);
  }
  if (answer.changing) lines.push("Members: changing");
  if (answer.trouble !== null) lines.push(`Trouble at ${answer.self}: ${answer.trouble}`);
  if (wide) {
    for (const { node, safe_to_stop, why } of answer.members) {
      if (safe_to_stop !== null) {
        lines.push(`${safe_to_stop ? "May" : "Must not"} be stopped now: ${node} (${why ?? ""})`);
      }
    }
  }
  return lines;
}

const titles = { voter: "Voters", witness: "Witnesses", learner: "Learners" };

function reachText({ members }: LeaderAnswer): string {
  const voters = members.filter(({ role }) => role !== "learner");
  // A node that takes part anew is there twice while its vote changes hands.
  const nodes = new Set(voters.map(({ node }) => node));
  const reached = new Set(voters.filter(({ contact }) => contact).map(({ node }) => node));
  return `${reached.size} of ${nodes.size} voters in reach`;
}
