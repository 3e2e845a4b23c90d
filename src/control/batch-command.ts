/** The command that carries several writes of keys, so that their order holds whoever leads meanwhile. */
import { outcome } from "../wire/control-command.ts";
import { type BatchedCommand, encodeBatchOutcomes, readBatch } from "../wire/control-batch.ts";
import { controlCommands } from "../wire/control-kinds.ts";
import { WireError } from "../wire/cursor.ts";
import { type Command, defineCommand } from "./feature.ts";

/** What may be in one: each of these is small in what it does, and small in its outcome. */
const batched: ReadonlySet<number> = new Set([controlCommands.kvPut, controlCommands.kvDelete]);

/**
 * `find` gives the command of a kind and a version; `run` does a prepared one under its key, and gives its encoded
 * outcome.
 */
export function batchCommand(
  find: (kind: number, version: number) => Command | undefined,
  run: (execute: ReturnType<Command["prepare"]>, command: BatchedCommand) => Uint8Array,
): Command {
  return defineCommand({
    kind: controlCommands.batch,
    version: 1,
    since: 4,
    name: "batch",
    read: (reader) =>
      readBatch(reader).map((command) => {
        const known = batched.has(command.kind) ? find(command.kind, command.version) : undefined;
        if (known === undefined) throw new WireError(`command ${command.kind} cannot be in a batch`);
        return { command, execute: known.prepare(command.body) };
      }),
    apply: (_, commands) => {
      const outcomes = commands.map(({ command, execute }) => run(execute, command));
      return outcome("done", outcomes.length, encodeBatchOutcomes(outcomes));
    },
  });
}
