/** `caxton message dead-letters replay`: sends them again. */
import { command } from "../../command.ts";
import { selected, selectionParameters } from "./selection.ts";
import type { SelectionFlags } from "./selection.ts";

export const replay = command<SelectionFlags, number[]>({
  brief: "Send dead letters again",
  parameters: selectionParameters,
  run: async (call, flags, ...ids) => {
    const which = selected(flags, ids);
    const done = await (await call.client()).messages.replayDeadLetters(which);
    call.output.lines([`Replayed ${done.replayed}`], done);
  },
});
