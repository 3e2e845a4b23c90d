/** The nodes of the cluster with their Raft roles and the highest boot epoch that was seen of each. */
import type { SqlRow } from "../../ports/database.ts";
import { controlCommands, controlQueries } from "../../wire/control-kinds.ts";
import { outcome } from "../../wire/control-command.ts";
import {
  type NodeRecord,
  encodeNodeRecords,
  nodesLimit,
  readNodeId,
  readNodeRecord,
} from "../../wire/control-node.ts";
import { raftRoles } from "../../wire/gossip-tags.ts";
import { type ControlView, type Feature, defineCommand, defineQuery } from "../feature.ts";
import type { SectionDefinition } from "../section.ts";
import type { NodeId } from "../../base/ids.ts";

const known: SectionDefinition = {
  name: "nodes",
  since: 1,
  key: { name: "id", type: "text" },
  columns: [
    { name: "role", type: "text" },
    { name: "boot_epoch", type: "integer" },
    { name: "region", type: "text" },
    { name: "zone", type: "text" },
    { name: "level", type: "integer" },
    { name: "removed", type: "integer" },
  ],
};

const put = defineCommand({
  kind: controlCommands.nodePut,
  version: 1,
  since: 1,
  name: "node.put",
  read: readNodeRecord,
  apply: (context, node) => {
    const section = context.section(known);
    const before = section.peek(node.id);
    const highest = Number(before?.["boot_epoch"] ?? 0);
    // An older disk that came back must not pass for the node that outlived it.
    if (node.bootEpoch < highest) return outcome("stale", highest);
    if (before === undefined && section.rows >= nodesLimit) return outcome("limit", nodesLimit);
    const { id, role, bootEpoch, region, zone, level, removed } = node;
    section.put(before, [id, role, bootEpoch, region, zone, level, removed ? 1 : 0]);
    return outcome("done", bootEpoch);
  },
});

/** The record stays, marked, so that its boot epoch is not forgotten. */
const remove = defineCommand({
  kind: controlCommands.nodeRemove,
  version: 1,
  since: 1,
  name: "node.remove",
  read: readNodeId,
  apply: (context, id) => {
    const section = context.section(known);
    const row = section.peek(id);
    if (row === undefined) return outcome("not_found");
    const { role, bootEpoch, region, zone, level } = nodeOf(row);
    section.put(row, [id, role, bootEpoch, region, zone, level, 1]);
    return outcome("done", bootEpoch);
  },
});

const list = defineQuery({
  kind: controlQueries.nodes,
  name: "nodes",
  read: () => null,
  run: (view) => encodeNodeRecords(view.section(known).walk(null, nodesLimit).map(nodeOf)),
});

function nodeOf(row: SqlRow): NodeRecord {
  return {
    id: String(row["id"]) as NodeId,
    role: raftRoles.find((role) => role === row["role"]) ?? "learner",
    bootEpoch: Number(row["boot_epoch"]),
    region: String(row["region"]),
    zone: String(row["zone"]),
    level: Number(row["level"]),
    removed: row["removed"] === 1,
  };
}

/** The node whose program is the oldest, of those that belong to the cluster; undefined while none has said who it is. */
export function oldestNode(view: ControlView): NodeRecord | undefined {
  let oldest: NodeRecord | undefined;
  for (const node of view.section(known).walk(null, nodesLimit).map(nodeOf)) {
    if (!node.removed && node.level < (oldest?.level ?? Infinity)) oldest = node;
  }
  return oldest;
}

/** Rises with every change of what `oldestNode` reads. */
export function writesOfNodes(view: ControlView): number {
  return view.section(known).writes;
}

export const nodes: Feature = { name: "nodes", sections: [known], commands: [put, remove], queries: [list] };
