/** Builds entries of the control state machine for tests: a log that was agreed on, one command after the other. */
import type { CommittedEntry } from "../../src/control/replicated-state.ts";
import {
  type ControlCommand,
  type ControlOutcome,
  decodeOutcome,
  encodeControlCommand,
} from "../../src/wire/control-command.ts";
import type { ControlState } from "../../src/control/control-state.ts";

export type CommandGiven = Pick<ControlCommand, "kind" | "body"> & Partial<ControlCommand>;

export function commandBytes(given: CommandGiven): Uint8Array {
  return encodeControlCommand({
    version: 1,
    principal: "alice",
    session: null,
    idempotencyKey: null,
    ...given,
  });
}

/** A leader that proposes to one state and applies at once. Time stands still unless it is moved. */
export class TestLeader {
  term = 1;
  elapsed_ms = 0;
  wall_ms = 1_800_000_000_000;
  readonly entries: CommittedEntry[] = [];

  constructor(readonly state: ControlState) {}

  get next(): number {
    return this.state.applied.index + 1;
  }

  /** The entry of a command, not applied. */
  entry(given: CommandGiven, index = this.next): CommittedEntry {
    const { elapsed_ms, wall_ms } = this;
    const data = this.state.stamp(commandBytes(given), { elapsed_ms, wall_ms });
    return { index, term: this.term, kind: "command", data };
  }

  apply(entry: CommittedEntry): Uint8Array {
    const [outcome] = this.state.apply([entry]);
    if (outcome === undefined) throw new Error(`not applied: ${this.state.halted?.reason ?? "?"}`);
    this.entries.push(entry);
    return outcome;
  }

  run(given: CommandGiven): ControlOutcome {
    return decodeOutcome(this.apply(this.entry(given)));
  }

  /** Another node leads: a new term, whose time begins at 0. */
  elect(): void {
    this.term += 1;
    this.elapsed_ms = 0;
    this.apply({ index: this.next, term: this.term, kind: "noop", data: new Uint8Array(0) });
  }
}
