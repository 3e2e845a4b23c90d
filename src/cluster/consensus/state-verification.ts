/** Checks what each node's replica of the control state holds: that it goes on, and that every row is what its hash says. */
import { reasonOf } from "../../base/errors.ts";
import { hexOfBytes } from "../../base/hex.ts";
import type { NodeId } from "../../base/ids.ts";
import type { ControlHash, SectionHash } from "../../wire/control-hash.ts";
import type { ReplicaQueries } from "./replica-queries.ts";

export interface VerifyRow {
  readonly node: NodeId;
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

const rowsAtOnce = 1_000;
/** A table that changes while it is summed is summed again so often. */
const sums_max = 3;

export async function verifyReplicas(
  replicas: ReplicaQueries,
  nodes: readonly NodeId[],
  deep: boolean,
): Promise<readonly VerifyRow[]> {
  const rows = await Promise.all(nodes.map((node) => verifyReplica(replicas, node, deep)));
  return rows.flat();
}

async function verifyReplica(
  replicas: ReplicaQueries,
  node: NodeId,
  deep: boolean,
): Promise<readonly VerifyRow[]> {
  const rows: VerifyRow[] = [];
  try {
    const { applied, trouble } = await replicas.health(node);
    const detail = trouble ?? `applied up to ${applied}`;
    rows.push({ node, check: "consensus", ok: trouble === null, detail });
    rows.push(await verifyLog(replicas, node, deep));
    if (!deep) {
      const { root, index } = await replicas.hash(node);
      rows.push({ node, check: "state hash", ok: true, detail: `${root} at ${index}` });
      return rows;
    }
    const damage = await replicas.fileDamage(node);
    rows.push({ node, check: "state file", ok: damage === null, detail: damage ?? "its structure is sound" });
    for (const { name } of (await replicas.hash(node)).sections) {
      if (name !== "log") rows.push(await verifySection(replicas, node, name));
    }
  } catch (error) {
    rows.push({ node, check: "reachable", ok: false, detail: reasonOf(error) });
  }
  return rows;
}

/** Deep: every entry; otherwise the file and the first of them. */
async function verifyLog(replicas: ReplicaQueries, node: NodeId, deep: boolean): Promise<VerifyRow> {
  const check = "raft log";
  let found = await replicas.inspect(node, 0);
  let { checked } = found;
  while (deep && found.damage === null && found.next !== null) {
    found = await replicas.inspect(node, found.next);
    checked += found.checked;
  }
  const { compacted, applied, commit, last, damage } = found;
  const place = `${compacted + 1} to ${last} kept, ${commit} committed, ${applied} applied`;
  const read =
    last - compacted > checked ? `the first ${checked} entries are sound` : `${checked} entries are sound`;
  return { node, check, ok: damage === null, detail: damage ?? `${read}; ${place}` };
}

async function verifySection(replicas: ReplicaQueries, node: NodeId, name: string): Promise<VerifyRow> {
  const check = `section ${name}`;
  let checked = 0;
  for (let tries = 0; tries < sums_max; tries++) {
    const before = sectionOf(await replicas.hash(node), name);
    const sum = await sumOf(replicas, node, name);
    checked = sum.checked;
    if (sum.damaged.length > 0) {
      const keys = sum.damaged.map(hexOfBytes).join(", ");
      const detail = `rows that are not what was written, by the hexadecimal digits of their keys: ${keys}`;
      return { node, check, ok: false, detail };
    }
    const after = sectionOf(await replicas.hash(node), name);
    if (before?.hash !== after?.hash) continue;
    const ok = after?.hash === sum.hash && after.rows === sum.checked;
    const detail = ok
      ? `${checked} rows are sound`
      : `rows are missing or too many: ${checked} of ${after?.rows ?? 0}`;
    return { node, check, ok, detail };
  }
  return { node, check, ok: true, detail: `${checked} rows are sound; changing too fast to be summed` };
}

async function sumOf(
  replicas: ReplicaQueries,
  node: NodeId,
  section: string,
): Promise<{ readonly checked: number; readonly hash: string; readonly damaged: readonly Uint8Array[] }> {
  let checked = 0;
  let sum = 0n;
  let after: Uint8Array | null = null;
  for (;;) {
    const slice = await replicas.check(node, { section, after, limit: rowsAtOnce });
    checked += slice.checked;
    sum ^= BigInt(`0x${slice.hash}`);
    const hash = sum.toString(16).padStart(32, "0");
    if (slice.damaged.length > 0 || slice.next === null) return { checked, hash, damaged: slice.damaged };
    after = slice.next;
  }
}

function sectionOf(hash: ControlHash, name: string): SectionHash | undefined {
  return hash.sections.find((section) => section.name === name);
}
