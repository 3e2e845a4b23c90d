/** `caxton message dead-letters list`: messages that could not be delivered, and why. */
import { command } from "../../command.ts";
import { contentText } from "../columns.ts";
import { moreNotice, pageFlags, pageQuery } from "../page-flags.ts";
import type { PageFlags } from "../page-flags.ts";

export const list = command<PageFlags>({
  brief: "List undeliverable messages and the reasons",
  parameters: { flags: pageFlags },
  run: async (call, flags) => {
    const page = await (await call.client()).messages.deadLetters(pageQuery(flags));
    call.output.table(
      [
        { title: "ID", cell: ({ id }) => String(id) },
        { title: "REASON", cell: ({ reason }) => reason },
        { title: "FROM", cell: ({ message }) => message.sender },
        { title: "TO", cell: ({ message }) => message.receiver },
        { title: "AT", cell: ({ at }) => at },
        { title: "DETAIL", cell: ({ detail }) => detail, wide: true },
        { title: "MESSAGE-ID", cell: ({ message }) => message.message_id, wide: true },
        { title: "CONTENT", cell: ({ message }) => contentText(message), wide: true },
      ],
      page.dead_letters,
      page,
    );
    const more = moreNotice(page.next_cursor);
    if (more !== undefined) call.output.notice(more);
  },
});
