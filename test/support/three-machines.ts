/** Three machines (network namespaces) with a node each, which know each other and all vote. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { writeClusterKey } from "../../src/security/cluster-key.ts";
import { key_bytes } from "../../src/security/keyring.ts";
import type { LeaderView } from "./consensus-nodes.ts";
import type { MachineNode } from "./machine-node.ts";
import { Machines } from "./namespaces.ts";
import { eventually } from "./node-process.ts";

/** As each of the three sees it when all is well. */
export const allAlive = { "node-1": "alive", "node-2": "alive", "node-3": "alive" };

export interface ThreeMachines<N extends MachineNode = MachineNode> {
  readonly machines: Machines;
  readonly nodes: readonly [N, N, N];
  dispose(): Promise<void>;
}

/** Each node knows a leader with a quorum, and that all three vote. */
export async function allVote(nodes: readonly MachineNode[]): Promise<void> {
  for (const node of nodes) {
    await eventually(`${node.id} sees three voters`, async () => {
      const view = await node.ask<LeaderView>("/api/v1/cluster/leader");
      const voters = view?.members.filter(({ role }) => role === "voter").length;
      return view?.quorum === true && voters === 3 && !view.changing ? true : undefined;
    });
  }
}

/** They begin their cluster together, so that none waits for another. `flags` of a node, from the address of its machine. */
export async function startThreeMachines<N extends MachineNode>(
  makeNode: (machines: Machines, index: number) => N,
  flags: (index: number, address: string) => readonly string[] = () => [],
): Promise<ThreeMachines<N>> {
  const machines = new Machines(3);
  const make = (index: number): N => makeNode(machines, index);
  const nodes = [make(0), make(1), make(2)] as const;
  const dispose = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.dispose()));
    machines.dispose();
  };
  try {
    const [first] = nodes;
    await writeClusterKey(join(first.dataDir, "cluster.key"), randomBytes(key_bytes));
    for (const [index, node] of nodes.entries()) {
      const seed = node === first ? undefined : first;
      node.launch(seed, "--bootstrap-expect", String(nodes.length), ...flags(index, node.host));
    }
    for (const node of nodes) await node.until(allAlive);
    await allVote(nodes);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { machines, nodes, dispose };
}
