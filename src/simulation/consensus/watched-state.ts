/** A control state whose entries a checker hears of as they are applied; everything else is the state's own. */
import type {
  CommittedEntry,
  Halt,
  LeaderStamp,
  LogPosition,
  ReplicatedState,
  SnapshotExport,
  SnapshotImport,
  StateHash,
} from "../../control/replicated-state.ts";

export interface StateWatcher {
  readonly applied: (entries: readonly CommittedEntry[]) => void;
  readonly imports: () => void;
}

export class WatchedState implements ReplicatedState {
  constructor(
    private readonly state: ReplicatedState,
    private readonly watcher: StateWatcher,
  ) {}

  get applied(): LogPosition {
    return this.state.applied;
  }

  get settled(): number {
    return this.state.settled;
  }

  get configuration(): ReplicatedState["configuration"] {
    return this.state.configuration;
  }

  get halted(): Halt | null {
    return this.state.halted;
  }

  get watched(): number {
    return this.state.watched;
  }

  get hash(): StateHash {
    return this.state.hash;
  }

  stamp(command: Uint8Array, stamp: LeaderStamp): Uint8Array {
    return this.state.stamp(command, stamp);
  }

  apply(entries: readonly CommittedEntry[]): readonly Uint8Array[] {
    const outcomes = this.state.apply(entries);
    this.watcher.applied(entries.slice(0, outcomes.length));
    return outcomes;
  }

  get uncommitted(): boolean {
    return this.state.uncommitted;
  }

  commit(): void {
    this.state.commit();
  }

  settle(): number {
    return this.state.settle();
  }

  query(query: Uint8Array): Uint8Array {
    return this.state.query(query);
  }

  exportSnapshot(): SnapshotExport {
    return this.state.exportSnapshot();
  }

  importSnapshot(): SnapshotImport {
    this.watcher.imports();
    return this.state.importSnapshot();
  }

  close(): void {
    this.state.close();
  }
}
