/** An agent of this node as main keeps it, and what the cluster and the API are told of it. */
import type { AgentName, ModuleHash, NodeId } from "../base/ids.ts";
import type { DirectoryEntry } from "../cluster/membership.ts";
import type { KeptJournal } from "../store/store.ts";
import type { AssignmentCause } from "../wire/control-assignments.ts";
import type { AgentSpec, AgentStatus, ShownStatus } from "../wire/agent-spec.ts";
import type { AgentTraps } from "./trap-records.ts";

export interface AgentRecord {
  spec: AgentSpec;
  suspended: boolean;
  status: AgentStatus;
  /** Why it is `failed`; else empty. */
  reason: string;
}

export interface AgentDetail extends AgentTraps {
  /** Why it has failed, or cannot be started; else empty. */
  readonly reason: string;
  readonly spec: AgentSpec;
  readonly inbox: number;
  readonly inbox_bytes: number;
  readonly memory_bytes: number;
  readonly handled: number;
  readonly traps: number;
  readonly restarts: number;
}

/** Of one that has not begun. */
export function unstarted(spec: AgentSpec, reason: string): AgentDetail {
  const figures = { inbox: 0, inbox_bytes: 0, memory_bytes: 0, handled: 0, traps: 0, restarts: 0 };
  return { spec, reason, ...figures, trap_kinds: {}, last_trap: null };
}

export interface AgentView {
  readonly name: AgentName;
  readonly node: NodeId;
  readonly status: ShownStatus;
  readonly revision: number;
  readonly epoch: number;
  readonly module: ModuleHash;
  /** Details from the owner; null when it cannot be asked, and in lists. */
  readonly detail: AgentDetail | null;
  /** How it came to its node; null for an agent that the cluster has not decided about. */
  readonly assignment: {
    readonly cause: AssignmentCause;
    readonly previous: NodeId | null;
    readonly previousEpoch: number;
    readonly at_ms: number;
    /** The lost node whose journal of it was not to be had; null when nothing was lost. */
    readonly lost: NodeId | null;
    /** Where that is its present node, it goes on from an old copy: since when what it did may be gone, if that is known. */
    readonly lostSince_ms: number | null;
    /** The node that says it runs there. */
    readonly runsOn: NodeId | null;
  } | null;
  /** Why nobody can start it: its specification cannot be read. Its module is unknown then, too. */
  readonly unreadable?: string;
  /** Journals of it that ended, where they are; only when it is looked at alone. */
  readonly kept: readonly (KeptJournal & { readonly node: NodeId })[];
}

export function entryOf(record: AgentRecord): Omit<DirectoryEntry, "node"> {
  const { name, epoch, revision, module } = record.spec;
  return { agent: name, epoch, revision, status: record.status, module };
}
