/**
 * How a feature of the control state is written: its tables, its commands and its queries in one file
 * of `features/`, and a line in `command-table.ts`. A command must depend on nothing but the state, its
 * body and what the context gives: no time, no randomness, no iteration over unordered things.
 */
import type { SqlValue } from "../ports/database.ts";
import { type ControlOutcome } from "../wire/control-command.ts";
import { Reader } from "../wire/cursor.ts";
import type { Section, SectionDefinition } from "./section.ts";

/** The state as a query sees it. */
export interface ControlView {
  section(definition: SectionDefinition): Section;
  /** The leaders' time: it rises while there is a leader, and stands still while there is none. */
  readonly clock_ms: number;
  /** Unix time of the newest command's leader, for people. */
  readonly wall_ms: number;
}

/** The state as a command changes it. */
export interface ControlContext extends ControlView {
  /** Who asked; empty for the cluster itself. */
  readonly principal: string;
  /** Of the entry that carries the command. */
  readonly term: number;
  /** A number that was never given before, and above `above`: versions, fencing tokens, epochs. */
  nextRevision(above?: number): number;
}

interface CommandDefinition<C> {
  /** Never reused, and in a log for ever. */
  readonly kind: number;
  readonly version: number;
  /** The level of the first program that knows it: see `controlLevel`. */
  readonly since: number;
  readonly name: string;
  /** Throws `WireError`. What is left over is refused by the caller. */
  readonly read: (reader: Reader) => C;
  readonly apply: (context: ControlContext, command: C) => ControlOutcome;
}

export interface Command {
  readonly kind: number;
  readonly version: number;
  readonly since: number;
  readonly name: string;
  /** Reads the body, and gives what executes it. Throws `WireError`. */
  prepare(body: Uint8Array): (context: ControlContext) => ControlOutcome;
}

export function defineCommand<C>(definition: CommandDefinition<C>): Command {
  const { kind, version, since, name, read, apply } = definition;
  return {
    kind,
    version,
    since,
    name,
    prepare: (body) => {
      const reader = new Reader(body);
      const command = read(reader);
      reader.finish();
      return (context) => apply(context, command);
    },
  };
}

export interface Query {
  readonly kind: number;
  readonly name: string;
  /** Throws `WireError`. */
  run(view: ControlView, body: Uint8Array): Uint8Array;
}

export function defineQuery<Q>(definition: {
  readonly kind: number;
  readonly name: string;
  readonly read: (reader: Reader) => Q;
  readonly run: (view: ControlView, query: Q) => Uint8Array;
}): Query {
  const { kind, name, read, run } = definition;
  return {
    kind,
    name,
    run: (view, body) => {
      const reader = new Reader(body);
      const query = read(reader);
      reader.finish();
      return run(view, query);
    },
  };
}

export interface Feature {
  readonly name: string;
  readonly sections: readonly SectionDefinition[];
  readonly commands: readonly Command[];
  readonly queries: readonly Query[];
  /** Removes what has expired, a bounded number, at the leaders' time; every second of it. */
  readonly sweep?: (view: ControlView) => void;
}

/** Removes the rows whose indexed `column` is at most `limit_value`. */
export function removeUpTo(section: Section, column: string, limit_value: number, limit: number): number {
  const keys: readonly SqlValue[] = section.upTo(column, limit_value, limit);
  for (const key of keys) {
    const row = section.peek(key);
    if (row !== undefined) section.delete(row, key);
  }
  return keys.length;
}
