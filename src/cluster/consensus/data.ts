/**
 * Opens the log and the state of a participant together, mends what a crash between the two databases left, and
 * decides what to do about damage: nobody votes with a hole. A node among others sets the files aside and begins anew
 * as another participant, to whom the others give everything again; the only voter refuses to start.
 */
import { CaxtonError } from "../../base/errors.ts";
import { type NodeId, quote } from "../../base/ids.ts";
import { openControlState } from "../../control/control-state.ts";
import type { ReplicatedState } from "../../control/replicated-state.ts";
import type { Databases } from "../../ports/database.ts";
import { type Configuration, defaultMember, nodeOf, votersOf } from "../../raft/configuration.ts";
import { decodeConfiguration } from "../../raft/configuration-codec.ts";
import { foundingRecords } from "../../raft/options.ts";
import { openRaftLog, type RaftLog } from "../../store/raft-log.ts";

export interface ConsensusDataOptions {
  readonly databases: Databases;
  readonly node: NodeId;
  /** The boot epoch of this process. */
  readonly boot: number;
  readonly logPath: string;
  readonly statePath: string;
  /** Keeps no state. */
  readonly witness: boolean;
  /** Writes the first configuration, of this node alone, into a log that is new. */
  readonly found: boolean;
  /** Moves a closed database and its log away, so that neither is found again. */
  readonly setAside: (path: string) => void;
}

export interface ConsensusData {
  readonly log: RaftLog;
  readonly state: ReplicatedState | null;
  /** Why the files before these were set aside; null in the ordinary case. */
  readonly rebuilt: string | null;
  close(): void;
}

/** Throws `CaxtonError`: `data_corrupt` where nobody else has the data; what the databases throw. */
export function openConsensusData(options: ConsensusDataOptions): ConsensusData {
  const first = tryOpen(options);
  if (first.kind === "opened") {
    if (options.found) found(first.log);
    return opened(first.log, first.state, null);
  }
  if (first.onlyVoter) {
    throw new CaxtonError(
      "data_corrupt",
      `Cannot open ${quote(options.logPath)} and ${quote(options.statePath)}, which were left as they are: ${first.reason}. ` +
        "This node is the cluster's only voter, so nobody can give it the data again: restore a backup of the data directory",
    );
  }
  return rebuildConsensusData(options, first.reason);
}

/**
 * Begins anew, as another participant, without what was there: the files are kept aside. They must be closed. `before`:
 * the identity of the log that is set aside, where it is known: it may have begun in this very boot.
 */
export function rebuildConsensusData(
  options: ConsensusDataOptions,
  reason: string,
  before = 0,
): ConsensusData {
  options.setAside(options.logPath);
  options.setAside(options.statePath);
  const fresh = tryOpen(options, Math.max(options.boot, before + 1));
  if (fresh.kind === "opened") return opened(fresh.log, fresh.state, reason);
  throw new CaxtonError("data_corrupt", `Cannot begin anew after damage: ${fresh.reason}`);
}

type Attempt =
  | { readonly kind: "opened"; readonly log: RaftLog; readonly state: ReplicatedState | null }
  | { readonly kind: "damaged"; readonly reason: string; readonly onlyVoter: boolean };

function tryOpen(options: ConsensusDataOptions, identity = options.boot): Attempt {
  const { databases, node, boot, logPath, statePath } = options;
  const log = sound(() => openRaftLog(databases, logPath, { node, boot, identity }));
  let state: ReplicatedState | null | CaxtonError = null;
  try {
    state = options.witness ? null : sound(() => openControlState(databases, statePath));
  } finally {
    if (state === null && !options.witness && !(log instanceof CaxtonError)) log.close();
  }
  const reason = whyNot(log, state);
  if (reason === null) return { kind: "opened", log: log as RaftLog, state: state as ReplicatedState | null };
  const onlyVoter = votesAlone(node, log, state);
  if (!(log instanceof CaxtonError)) log.close();
  if (state !== null && !(state instanceof CaxtonError)) state.close();
  return { kind: "damaged", reason, onlyVoter };
}

function sound<T>(open: () => T): T | CaxtonError {
  try {
    return open();
  } catch (thrown) {
    if (thrown instanceof CaxtonError && thrown.code === "data_corrupt") return thrown;
    throw thrown;
  }
}

/** Null when the two fit together, after an install that a crash cut off was ended or given up. */
function whyNot(log: RaftLog | CaxtonError, state: ReplicatedState | null | CaxtonError): string | null {
  if (log instanceof CaxtonError) return log.message;
  if (state instanceof CaxtonError) return state.message;
  const mark = log.installing;
  if (mark !== null) log.endInstall(state === null || state.applied.index >= mark.index ? mark : null);
  if (state === null) return null;
  const { index } = state.applied;
  if (log.isEmpty && index > 0) return "the Raft log is missing and its state is not";
  if (index > log.last.index)
    return `the state has applied entry ${index} and the log ends at ${log.last.index}`;
  if (index < log.base.index)
    return `the state has applied entry ${index} and the log begins after ${log.base.index}`;
  return null;
}

function votesAlone(
  node: NodeId,
  log: RaftLog | CaxtonError,
  state: ReplicatedState | null | CaxtonError,
): boolean {
  const known = log instanceof CaxtonError ? undefined : log.stored(log.base.index).configurations.at(-1);
  let configuration: Configuration | undefined = known?.configuration;
  if (configuration === undefined && state !== null && !(state instanceof CaxtonError) && state.configuration)
    configuration = decodeConfiguration(state.configuration.data);
  if (configuration === undefined) return false;
  const voters = votersOf(configuration.members);
  return voters.length === 1 && voters.every((id) => nodeOf(id) === node);
}

function found(log: RaftLog): void {
  if (!log.isEmpty) return;
  const self = defaultMember(log.boots.self, "voter");
  log.persist([{ ...foundingRecords({ members: [self], outgoing: null }), reset: null, truncateFrom: null }]);
}

function opened(log: RaftLog, state: ReplicatedState | null, rebuilt: string | null): ConsensusData {
  return {
    log,
    state,
    rebuilt,
    close: () => {
      state?.close();
      log.close();
    },
  };
}
