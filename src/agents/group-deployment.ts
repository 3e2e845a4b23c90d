/** Deploys several agents under one name: `web` as `web-1`, `web-2`, …, each where the fewest of the others are. */
import { CaxtonError } from "../base/errors.ts";
import { quote, type AgentName } from "../base/ids.ts";
import type { AssignmentTable } from "./assignment-table.ts";
import type { Deployed, DeployedOne, DeployRequest } from "./deployment.ts";
import { instanceName } from "./instance-groups.ts";

export interface GroupParts {
  readonly table: Pick<AssignmentTable, "get">;
  readonly deployOne: (
    request: Omit<DeployRequest, "instances">,
    siblings: readonly AgentName[],
  ) => Promise<DeployedOne>;
  readonly removeOne: (name: AgentName) => Promise<void>;
}

/** One after the other, so that each is placed with the others in view. What is new goes again when one fails. */
export async function deployGroup(
  { instances: _, ...request }: DeployRequest,
  there: readonly AgentName[],
  count: number,
  { table, deployOne, removeOne }: GroupParts,
): Promise<Deployed> {
  const { name, options } = request;
  const names = Array.from({ length: count }, (__, i) => instanceName(name, i + 1));
  const stranger = names.find((each) => table.get(each) !== undefined && !there.includes(each));
  if (stranger !== undefined)
    throw new CaxtonError("conflict", `Agent ${quote(stranger)} exists and is no instance of ${quote(name)}`);
  const done: DeployedOne[] = [];
  try {
    for (const [i, each] of names.entries()) {
      const instance = { of: name, index: i + 1, count };
      done.push(await deployOne({ ...request, name: each, options: { ...options, instance } }, names));
    }
  } catch (error) {
    for (const { agent, created } of done) if (created) await removeOne(agent.name);
    throw error;
  }
  for (const each of there) if (!names.includes(each)) await removeOne(each);
  const [first] = done;
  if (first === undefined) throw new CaxtonError("internal", "A group has at least one instance");
  const why = done.map(({ agent, why: each }) => `${agent.name}: ${each}`).join("; ");
  return { ...first, why, instances: done.map(({ agent }) => agent) };
}
