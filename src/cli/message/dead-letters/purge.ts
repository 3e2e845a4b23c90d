/** `caxton message dead-letters purge`: deletes them for good. */
import { command } from "../../command.ts";
import { selected, selectionParameters } from "./selection.ts";
import type { SelectionFlags } from "./selection.ts";

export const purge = command<SelectionFlags, number[]>({
  brief: "Delete dead letters for good",
  parameters: selectionParameters,
  run: async (call, flags, ...ids) => {
    const which = selected(flags, ids);
    await call.confirm(`Delete ${which === "all" ? "all" : which.length} dead letters for good?`);
    const done = await (await call.client()).messages.purgeDeadLetters(which);
    call.output.lines([`Purged ${done.purged}`], done);
  },
});
