/** `caxton conversation list`. */
import { command } from "../command.ts";
import { shortAddress } from "../message/columns.ts";
import { moreNotice, pageFlags, pageQuery } from "../page-flags.ts";
import type { PageFlags } from "../page-flags.ts";

export const list = command<PageFlags>({
  brief: "List conversations",
  examples: ["caxton conversation list", "caxton conversation list --limit 10"],
  parameters: { flags: pageFlags },
  run: async (call, flags) => {
    const page = await (await call.client()).messages.conversations(pageQuery(flags));
    call.output.table(
      [
        { title: "CONVERSATION", cell: ({ id }) => id },
        { title: "PROTOCOL", cell: ({ protocol }) => protocol || "-" },
        { title: "MESSAGES", cell: ({ messages }) => String(messages) },
        {
          title: "PARTICIPANTS",
          cell: ({ participants }) => participants.map(shortAddress).join(", "),
          whole: ({ participants }) => participants.join(", "),
        },
        { title: "LAST", cell: ({ last_at }) => last_at },
        { title: "FIRST", cell: ({ first_at }) => first_at, wide: true },
      ],
      page.conversations,
      page,
    );
    const more = moreNotice(page.next_cursor);
    if (more !== undefined) call.output.notice(more);
  },
});
