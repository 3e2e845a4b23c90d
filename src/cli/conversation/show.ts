/** `caxton conversation show ID`: its messages in order, each on a line. */
import type { MessageAnswer } from "../../api/messages/message.ts";
import { command } from "../command.ts";
import { addressColumn, contentText } from "../message/columns.ts";
import { moreNotice, pageFlags, pageQuery } from "../page-flags.ts";
import type { PageFlags } from "../page-flags.ts";
import { asText } from "../parse.ts";
import type { Column } from "../output.ts";

const columns: readonly Column<MessageAnswer>[] = [
  { title: "CREATED", cell: ({ created_at }) => created_at },
  addressColumn("FROM", ({ sender }) => sender),
  addressColumn("TO", ({ receiver }) => receiver),
  { title: "PERFORMATIVE", cell: ({ performative }) => performative },
  { title: "CONTENT", cell: contentText },
  { title: "MESSAGE-ID", cell: ({ message_id }) => message_id, wide: true },
];

export const show = command<PageFlags, [string]>({
  brief: "Show the messages of a conversation",
  examples: ["caxton conversation show 0190a000-0000-7000-8000-000000000001"],
  parameters: {
    flags: pageFlags,
    positional: {
      kind: "tuple",
      parameters: [{ parse: asText, placeholder: "ID", brief: "The conversation" }],
    },
  },
  run: async (call, flags, id) => {
    const page = await (await call.client()).messages.conversation(id, pageQuery(flags));
    call.output.table(columns, page.messages, page);
    const more = moreNotice(page.next_cursor);
    if (more !== undefined) call.output.notice(more);
  },
});
