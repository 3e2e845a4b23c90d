/** `caxton message list`: what was said lately, newest first. */
import { command } from "../command.ts";
import { asText } from "../parse.ts";
import { messageColumns } from "./columns.ts";
import { moreNotice, pageFlags, pageQuery } from "../page-flags.ts";
import type { PageFlags } from "../page-flags.ts";

interface Flags extends PageFlags {
  readonly conversation?: string;
}

export const list = command<Flags>({
  brief: "List messages, newest first",
  examples: ["caxton message list --limit 10", "caxton message list --conversation order-17 --format wide"],
  parameters: {
    flags: {
      ...pageFlags,
      conversation: {
        kind: "parsed",
        parse: asText,
        optional: true,
        placeholder: "ID",
        brief: "Of one conversation",
      },
    },
  },
  run: async (call, flags) => {
    const { messages } = await call.client();
    const { conversation } = flags;
    const page = await messages.list({
      ...pageQuery(flags),
      ...(conversation === undefined ? {} : { conversation }),
    });
    call.output.table(messageColumns, page.messages, page);
    const more = moreNotice(page.next_cursor);
    if (more !== undefined) call.output.notice(more);
  },
});
