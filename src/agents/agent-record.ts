/** An agent of this node as main keeps it, and what the cluster and the API are told of it. */
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import type { DirectoryEntry } from "../cluster/membership.ts";
import type { AgentSpec, AgentStatus } from "../wire/agent-spec.ts";
import type { AgentTraps } from "./trap-records.ts";

export interface AgentRecord {
  spec: AgentSpec;
  suspended: boolean;
  status: AgentStatus;
  /** Why it is `failed`; else empty. */
  reason: string;
}

export interface AgentDetail extends AgentTraps {
  /** Why it is failed; else empty. */
  readonly reason: string;
  readonly spec: AgentSpec;
  readonly inbox: number;
  readonly inbox_bytes: number;
  readonly memory_bytes: number;
  readonly handled: number;
  readonly traps: number;
  readonly restarts: number;
}

export interface AgentView {
  readonly name: AgentName;
  readonly node: NodeId;
  /** `orphaned` when its node is failed or left. */
  readonly status: AgentStatus | "orphaned";
  readonly revision: number;
  readonly epoch: number;
  readonly module: ModuleHash;
  /** Null when the owner cannot be asked, and in lists. */
  readonly detail: AgentDetail | null;
}

export function entryOf(record: AgentRecord): Omit<DirectoryEntry, "node"> {
  const { name, epoch, revision, module } = record.spec;
  return { agent: name, epoch, revision, status: record.status, module };
}
