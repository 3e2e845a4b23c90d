/** `caxton message dead-letters purge`: deletes them for good. */
import { command } from "../../command.ts";
import { noticeNoAnswer, noticeNotAsked, selected, selectionParameters } from "./selection.ts";
import type { LetterId, SelectionFlags } from "./selection.ts";

export const purge = command<SelectionFlags, LetterId[]>({
  brief: "Delete dead letters for good",
  examples: ["caxton message dead-letters purge 17@node-2", "caxton message dead-letters purge --all --yes"],
  usage: "(ID... | --all)",
  parameters: selectionParameters,
  run: async (call, flags, ...letters) => {
    const chosen = selected(flags, letters);
    const where = flags.node === undefined ? "" : ` of ${flags.node}`;
    const count = `${letters.length} dead letter${letters.length === 1 ? "" : "s"}`;
    const what = flags.all ? `all dead letters${where}` : count;
    await call.confirm(`Delete ${what} for good?`);
    const { messages } = await call.client();
    const answers = [];
    for (const { ids, node } of chosen) answers.push(await messages.purgeDeadLetters(ids, node));
    const purged = answers.reduce((sum, answer) => sum + answer.purged, 0);
    const not_asked = answers.flatMap((answer) => answer.not_asked);
    const no_answer = answers.flatMap((answer) => answer.no_answer);
    call.output.lines([`Purged ${purged}`], { purged, not_asked, no_answer });
    noticeNotAsked(call, not_asked);
    noticeNoAnswer(call, no_answer);
  },
});
