/** `caxton message dead-letters replay`: sends them again. */
import { command } from "../../command.ts";
import { noticeNoAnswer, noticeNotAsked, selected, selectionParameters } from "./selection.ts";
import type { LetterId, SelectionFlags } from "./selection.ts";

export const replay = command<SelectionFlags, LetterId[]>({
  brief: "Send dead letters again",
  examples: [
    "caxton message dead-letters replay 17@node-2 18@node-2",
    "caxton message dead-letters replay --all",
  ],
  usage: "(ID... | --all)",
  parameters: selectionParameters,
  run: async (call, flags, ...letters) => {
    const chosen = selected(flags, letters);
    const { messages } = await call.client();
    const answers = [];
    for (const { ids, node } of chosen) answers.push(await messages.replayDeadLetters(ids, node));
    const replayed = answers.reduce((sum, answer) => sum + answer.replayed, 0);
    const not_asked = answers.flatMap((answer) => answer.not_asked);
    const no_answer = answers.flatMap((answer) => answer.no_answer);
    call.output.lines([`Replayed ${replayed}`], { replayed, not_asked, no_answer });
    noticeNotAsked(call, not_asked);
    noticeNoAnswer(call, no_answer);
  },
});
