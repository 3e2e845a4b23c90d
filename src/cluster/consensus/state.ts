/**
 * The replicated state machine as the driver uses it: applies what is committed, makes it durable now and then so that
 * the log may be compacted, tries again when its disk was full, and stops for good where it meets what it does not know.
 */
import { CaxtonError, reasonOf } from "../../base/errors.ts";
import type { NodeId } from "../../base/ids.ts";
import { encodeControlQuery } from "../../wire/control-command.ts";
import { controlQueries } from "../../wire/control-kinds.ts";
import { decodeNodeRecords } from "../../wire/control-node.ts";
import type {
  CommittedEntry,
  LeaderStamp,
  LogPosition,
  ReplicatedState,
} from "../../control/replicated-state.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import type { RaftInput } from "../../raft/effects.ts";
import type { Entry } from "../../raft/entry.ts";

const retry_ms = 1_000;
/** What is applied is written so much later at the latest; until then only the log has it. */
const commit_ms = 100;

export interface ConsensusStateOptions {
  /** Null of a witness: whatever is committed counts as applied. */
  readonly state: ReplicatedState | null;
  readonly clock: Clock;
  readonly settleEvery_entries: number;
  readonly input: (input: RaftInput) => void;
  readonly applied: (position: LogPosition, outcome: Uint8Array) => void;
  /** Null: it is over. */
  readonly trouble: (detail: string | null) => void;
  /** Part of it cannot be read. */
  readonly damaged: (detail: string) => void;
}

export class ConsensusState {
  #pending: readonly CommittedEntry[] = [];
  #retry: Timer | undefined;
  #commit: Timer | undefined;
  #settled: number;
  /** What is pending could not be applied yet. */
  #stuck = false;

  constructor(private readonly options: ConsensusStateOptions) {
    this.#settled = options.state?.settled ?? 0;
    if (options.state !== null) options.input({ kind: "settled", index: this.#settled });
  }

  get machine(): ReplicatedState | null {
    return this.options.state;
  }

  apply(entries: readonly Entry[]): void {
    const committed = entries.map(({ index, term, kind, data }): CommittedEntry => {
      if (kind === "stripped") throw new CaxtonError("internal", `Entry ${index} came without its data`);
      return { index, term, kind, data };
    });
    this.#apply(committed);
  }

  /** Throws what the state machine refuses the command with. */
  stamp(command: Uint8Array, stamp: LeaderStamp): Uint8Array {
    return this.#machine().stamp(command, stamp);
  }

  query(query: Uint8Array): { readonly bytes: Uint8Array; readonly appliedIndex: number } {
    const machine = this.#machine();
    try {
      return { bytes: machine.query(query), appliedIndex: machine.applied.index };
    } catch (thrown) {
      this.#look(thrown);
      throw thrown;
    }
  }

  /** The highest boot of a node that the cluster has written down; 0 where none is known here. */
  registeredBoot(node: NodeId): number {
    if (this.options.state === null) return 0;
    try {
      const { bytes } = this.query(encodeControlQuery(controlQueries.nodes, new Uint8Array()));
      return decodeNodeRecords(bytes).find(({ id }) => id === node)?.bootEpoch ?? 0;
    } catch (thrown) {
      // A disk that is full keeps this node from knowing; others know it as well.
      if (thrown instanceof CaxtonError) return 0;
      throw thrown;
    }
  }

  settle(): void {
    const { state, input } = this.options;
    if (state === null) return;
    try {
      this.#settled = state.settle();
      input({ kind: "settled", index: this.#settled });
    } catch (thrown) {
      this.options.trouble(`cannot make its state durable: ${reasonOf(thrown)}`);
    }
  }

  /** A snapshot has taken its place. */
  replaced(): void {
    this.#pending = [];
    this.#retry?.cancel();
    this.#settled = this.options.state?.settled ?? 0;
    this.#goesOn();
  }

  close(): void {
    this.#retry?.cancel();
    this.#commit?.cancel();
  }

  #machine(): ReplicatedState {
    const { state } = this.options;
    if (state === null)
      throw new CaxtonError("unavailable", "This node is a witness: it keeps no state. Ask another node");
    return state;
  }

  #apply(entries: readonly CommittedEntry[]): void {
    const { state, input, clock, trouble } = this.options;
    const last = entries.at(-1);
    if (last === undefined) return;
    if (state === null) {
      input({ kind: "applied", index: last.index });
      return;
    }
    let outcomes: readonly Uint8Array[];
    try {
      outcomes = state.apply(entries);
    } catch (thrown) {
      this.#pending = entries;
      this.#stuck = true;
      this.#look(thrown);
      trouble(`cannot apply entry ${entries[0]?.index ?? 0}: ${reasonOf(thrown)}`);
      this.#retry = clock.after(retry_ms, () => this.#again());
      return;
    }
    this.#goesOn();
    for (const [i, outcome] of outcomes.entries()) this.options.applied(entries[i] as LogPosition, outcome);
    if (state.uncommitted) this.#commitLater(commit_ms);
    if (state.halted !== null) {
      trouble(`stopped applying at entry ${state.halted.index}: ${state.halted.reason}`);
      return;
    }
    input({ kind: "applied", index: last.index });
    if (last.index - this.#settled >= this.options.settleEvery_entries) this.settle();
  }

  #commitLater(delay_ms: number): void {
    this.#commit ??= this.options.clock.after(delay_ms, () => {
      this.#commit = undefined;
      try {
        this.options.state?.commit();
        if (delay_ms === retry_ms) this.options.trouble(null);
      } catch (thrown) {
        this.options.trouble(`cannot write its state: ${reasonOf(thrown)}`);
        this.#commitLater(retry_ms);
      }
    });
  }

  #look(thrown: unknown): void {
    if (thrown instanceof CaxtonError && thrown.code === "data_corrupt") this.options.damaged(thrown.message);
  }

  #again(): void {
    const entries = this.#pending;
    this.#pending = [];
    this.#apply(entries);
  }

  #goesOn(): void {
    if (!this.#stuck) return;
    this.#stuck = false;
    this.options.trouble(null);
  }
}
