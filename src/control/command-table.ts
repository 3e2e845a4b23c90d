/** Every feature of the control state, and what its commands, queries and tables are found by. */
import { CaxtonError } from "../base/errors.ts";
import type { ControlCommand } from "../wire/control-command.ts";
import type { Command, Feature, Query } from "./feature.ts";
import { assignments } from "./features/assignments.ts";
import { kv } from "./features/kv.ts";
import { locks } from "./features/locks.ts";
import { nodes } from "./features/nodes.ts";
import { registrations } from "./features/registrations.ts";
import { settings } from "./features/settings.ts";
import { idempotencySection } from "./idempotency.ts";
import type { SectionDefinition } from "./section.ts";
import { sessionSection } from "./sessions.ts";

/**
 * Rises when a command or a version of one is added. Each node tells its own; a leader takes no command that a node of
 * the cluster does not know yet, because that node would have to stop there.
 */
export const controlLevel = 4;

export const features: readonly Feature[] = [nodes, settings, kv, locks, assignments, registrations];

/** In the order of hashes and snapshots. */
export const sections: readonly SectionDefinition[] = [
  sessionSection,
  idempotencySection,
  ...features.flatMap((feature) => feature.sections),
];

export class CommandTable {
  readonly #commands = new Map<string, Command>();
  readonly #queries = new Map<number, Query>();

  constructor(commands: readonly Command[], queries: readonly Query[]) {
    for (const command of commands) this.#commands.set(`${command.kind}.${command.version}`, command);
    for (const query of queries) this.#queries.set(query.kind, query);
  }

  command(kind: number, version: number): Command | undefined {
    return this.#commands.get(`${kind}.${version}`);
  }

  /** Throws `version_mismatch`. */
  query(kind: number): Query {
    const query = this.#queries.get(kind);
    if (query !== undefined) return query;
    throw new CaxtonError(
      "version_mismatch",
      `This node's program knows no control query ${kind}: upgrade it`,
    );
  }
}

export function unknownCommand({ kind, version }: Pick<ControlCommand, "kind" | "version">): CaxtonError {
  return new CaxtonError(
    "version_mismatch",
    `This node's program does not know control command ${kind}, version ${version}: upgrade it`,
  );
}
